/*
 * message_insert.h
 *	  Numbers and rows of new messages: see message_insert.c.
 */
#ifndef PG_CHAT_MESSAGE_INSERT_H
#define PG_CHAT_MESSAGE_INSERT_H

#include "core/arg_error.h"

/* A message to be created. */
typedef struct MessageInsert
{
	int32		application;
	int32		chat;
	bool		named;			/* number was named by the caller */
	int32		number;			/* as named; once created, as given */
	text	   *body;
	ArgError	problem;		/* why it was refused, if it was */
} MessageInsert;

extern void message_insert_one(MessageInsert *message);
extern void message_insert_many(MessageInsert *messages, int count, bool wait);

#endif							/* PG_CHAT_MESSAGE_INSERT_H */
