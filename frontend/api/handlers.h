/*
 * handlers.h
 *		The handlers of the API, one per route and method.
 */
#ifndef CHATD_HANDLERS_H
#define CHATD_HANDLERS_H

#include "http/request.h"

/* GET /applications: a page of applications, by age. */
extern void applications_list(Request *request);

/* POST /applications: creates one, by its name. */
extern void application_create(Request *request);

/* GET /applications/{token}: one application. */
extern void application_show(Request *request);

/* Responds with 404: no application has the token. */
extern void application_missing(Request *request);

/* GET .../chats: a page of an application's chats, by number. */
extern void chats_list(Request *request);

/* POST .../chats: creates one, with the next number or the one named. */
extern void chat_create(Request *request);

/* GET .../chats/{number}: one chat. */
extern void chat_show(Request *request);

/* DELETE .../chats/{number}: deletes one with its messages. */
extern void chat_delete(Request *request);

/* GET .../messages: a page of a chat's messages, by number. */
extern void messages_list(Request *request);

/* POST .../messages: creates one, with the next number or the one named, or many. */
extern void message_create(Request *request);

/* POST /applications/{token}/messages: creates many, in any chats of the application. */
extern void messages_create_any(Request *request);

/* GET .../chats/{number}/messages/search: the messages of a chat that contain a text. */
extern void messages_search(Request *request);

/* POST .../chats/{chat}/import: takes messages from elsewhere as they are. */
extern void messages_import(Request *request);

/* POST /applications/{token}/import: takes messages of many chats. */
extern void application_import(Request *request);

/* GET .../chats/{chat}/export: all messages of a chat. */
extern void chat_export(Request *request);

/* GET /applications/{token}/export: all messages of an application. */
extern void application_export(Request *request);

/* GET .../messages/changes: what came after a position of a chat. */
extern void changes_list(Request *request);

/* GET /applications/{token}/messages/search: the same for all chats of an application. */
extern void messages_search_all(Request *request);

/* GET .../messages/{number}: one message. */
extern void message_show(Request *request);

/* PATCH .../messages/{number}: edits one. */
extern void message_update(Request *request);

/* DELETE .../messages/{number}: deletes one. */
extern void message_delete(Request *request);

/* POST /applications/{token}/tickets: a ticket, which opens one stream. */
extern void ticket_create(Request *request);

/* GET /healthz: whether chatd is alive. */
extern void health_show(Request *request);

/* GET /console: a page to try chatd, and to look at it. */
extern void console_show(Request *request);

/* GET /status: the state of everything, and what is wrong. */
extern void status_show(Request *request);

/* GET /openapi.json: the description of the API. */
extern void description_show(Request *request);

/* GET /metrics: figures for monitoring. */
extern void metrics_show(Request *request);

/* GET /readyz: whether chatd can serve; 503 with the reason if not. */
extern void readiness_show(Request *request);

/* PUT .../chats/{chat}/cursors/{reader}: moves a reader's cursor. */
extern void cursor_set(Request *request);

/* GET .../chats/{chat}/cursors/{reader}: a reader's cursor. */
extern void cursor_show(Request *request);

/* GET .../chats/{chat}/cursors: a page of those who have read the chat, and how far. */
extern void cursors_list(Request *request);

/* GET /applications/{token}/cursors/{reader}: a page of a reader's chats, with what is unread. */
extern void unread_list(Request *request);

/* GET .../messages/stream: a stream of the changes of a chat. */
extern void chat_stream(Request *request);

/* GET /applications/{token}/stream: a stream of the changes of chats of an application. */
extern void application_stream(Request *request);

#endif
