/*
 * counter.h
 *	  Counters of parents while rows are inserted directly: see counter.c.
 */
#ifndef PG_CHAT_COUNTER_H
#define PG_CHAT_COUNTER_H

#include "postgres.h"

#include "utils/rel.h"

/* chat 0 stands for the application itself, whose counter counts chats. */
#define COUNTER_OF_CHATS 0

/* The counter of a parent, while a statement inserts children. */
typedef struct Counter
{
	int32		application;	/* the key: application and chat */
	int32		chat;
	int32		last_number;
	int32		last_before;	/* last_number as it was found */
	bool		stale;			/* the table may have a higher one by now */
	SubTransactionId subtransaction;	/* that met the counter first */
} Counter;

extern void counter_define(void);

/* For the functions. */
extern int	counter_api_begin(void);
extern void counter_api_end(int previous);

/* For the triggers. */
extern bool counter_by_functions(void);
extern Counter *counter_get(int32 application, int32 chat, Relation relation);
extern void counter_meet(int32 application, int32 chat);
extern bool counters_exist(void);
extern void counters_flush(void);
extern void counter_raise_no_chat(int32 application, int32 chat);

#endif							/* PG_CHAT_COUNTER_H */
