/*
 * new_message.h
 *		A message that a client wants created: from the fields of a body to its query, and
 *		from the query's row to JSON.
 */
#ifndef CHATD_NEW_MESSAGE_H
#define CHATD_NEW_MESSAGE_H

#include "db/query.h"
#include "http/request.h"

/* How a message is to be created, as far as its fields do not say it. */
typedef struct NewMessageTerms
{
	int			chat;			/* 0: the one that the field chat_number names */
	const char *key;			/* by which it is created once; NULL: the one that the field key
								 * names */
	int			if_last;		/* the chat's last number, else it is not wanted; -1: any */
} NewMessageTerms;

/*
 * Adds the parameters of CREATE_MESSAGES to a query: a message in a chat of the path's
 * application. Adds a fault for each invalid field to faults; the query is then not to be
 * submitted.
 */
extern void new_message_read(Request *request, Fields *fields, NewMessageTerms terms, Query *query, Json *faults);

/* Writes the message that the query has created, which has this row. */
extern void new_message_write(Json *json, const Query *query, const Rows *rows);

/* Was the message that has this row there already, by its key? */
extern bool new_message_is_replayed(const Rows *rows);

/* The field of a message that has a character which the database cannot store. */
extern const char *new_message_unstorable_field(const Query *query);

#endif
