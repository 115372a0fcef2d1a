/*
 * message_answer.h
 *		Responses that are one message, or say that there is none.
 *
 * Its entity tag is its revision, 0 where it has none.
 */
#ifndef CHATD_MESSAGE_ANSWER_H
#define CHATD_MESSAGE_ANSWER_H

#include "db/rows.h"
#include "http/request.h"

/* Responds with 404: there is no chat that could have such messages. */
extern void chat_not_found(Request *request);

/* Responds with 404: there is no such message. */
extern void message_missing(Request *request);

/* Responds with 200 and the message of the first row, which has its JSON and its revision in these columns. */
extern void message_respond(Request *request, const Rows *rows, int column, int revision_column);

/* Responds with 410 and what is left of it. */
extern void message_respond_deleted(Request *request, const Rows *rows, int column, int revision_column);

#endif
