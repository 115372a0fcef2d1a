/*
 * handlers.h
 *		The handlers of the API, one per route and method.
 */
#ifndef CHATD_HANDLERS_H
#define CHATD_HANDLERS_H

#include "http/request.h"

/* applications.c */
extern void applications_list(Request *request);
extern void application_create(Request *request);
extern void application_show(Request *request);

/* Responds with 404: no application has the token. */
extern void application_missing(Request *request);

/* chats.c */
extern void chats_list(Request *request);
extern void chat_create(Request *request);
extern void chat_show(Request *request);
extern void chat_delete(Request *request);

/* messages.c */
extern void messages_list(Request *request);
extern void message_create(Request *request);
extern void messages_search(Request *request);
extern void messages_search_all(Request *request);
extern void message_show(Request *request);

/* health.c */
extern void health_show(Request *request);
extern void readiness_show(Request *request);

#endif
