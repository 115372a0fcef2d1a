/*
 * allocation.h
 *	  Numbers and rows of new messages: see allocation.c.
 */
#ifndef PG_CHAT_ALLOCATION_H
#define PG_CHAT_ALLOCATION_H

#include "core/arg_error.h"

/* A message to be created. */
typedef struct NewMessage
{
	int32		application;
	int32		chat;
	bool		named;			/* number was named by the caller */
	int32		number;			/* as named; once created, as given */
	text	   *body;
	Problem		problem;		/* why it was refused, if it was */
} NewMessage;

extern void allocation_create_one(NewMessage *message);
extern void allocation_create_many(NewMessage *messages, int count, bool wait);

#endif							/* PG_CHAT_ALLOCATION_H */
