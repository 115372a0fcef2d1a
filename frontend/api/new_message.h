/*
 * new_message.h
 *		A message that a client wants created: from the fields of a body to its query, and
 *		from the query's row to JSON.
 */
#ifndef CHATD_NEW_MESSAGE_H
#define CHATD_NEW_MESSAGE_H

#include "db/query.h"
#include "http/request.h"

/*
 * Adds the parameters of CREATE_MESSAGES to a query: a message in a chat of the path's
 * application, 0: in the one that the field chat_number names. Adds a fault for each invalid
 * field to faults; the query is then not to be submitted.
 */
extern void new_message_read(Request *request, Fields *fields, int chat, Query *query, Json *faults);

/* Writes the message that the query has created, which has this row. */
extern void new_message_write(Json *json, const Query *query, const Rows *rows);

/* The field of a message that has a character which the database cannot store. */
extern const char *new_message_unstorable_field(const Query *query);

#endif
