/*
 * number_cache.h
 *	  Counters of parents while rows are inserted directly: see number_cache.c.
 */
#ifndef PG_CHAT_NUMBER_CACHE_H
#define PG_CHAT_NUMBER_CACHE_H

#include "postgres.h"

#include "common/keys.h"

/* chat 0 stands for the application itself, whose counter counts chats. */
#define COUNTER_OF_CHATS 0

/* What counters were, before a subtransaction gave something from them. */
typedef struct CounterUndo
{
	SubTransactionId subtransaction;
	int32		last_number;
	int32		last_revision;
	bool		recounted;
	struct CounterUndo *outer;	/* the same of one around it */
} CounterUndo;

/* The counters of a parent, while a statement changes children. */
typedef struct NumberCounter
{
	ChatKey		parent;			/* the key */
	int32		last_number;
	int32		last_before;	/* last_number as it was found */
	int32		last_revision;
	bool		recounted;		/* the children are to be counted */
	bool		stale;			/* the table may have higher ones by now */
	SubTransactionId subtransaction;	/* that met the counters first */
	CounterUndo *undo;			/* of those within it */
} NumberCounter;

extern void number_cache_init(void);

/* For the functions. */
extern int	number_cache_function_begin(void);
extern void number_cache_function_end(int previous);
extern void number_cache_create_counters(int32 application);

/* For the triggers. */
extern int	number_cache_enter_function(void);
extern bool number_cache_in_function(void);
extern NumberCounter number_cache_get(ChatKey parent);
extern void number_cache_raise(ChatKey parent, int32 number);
extern int32 number_cache_take_revisions(ChatKey chat, int count);
extern void number_cache_raise_revision(ChatKey chat, int32 revision);
extern void number_cache_touch(ChatKey parent);
extern bool number_cache_in_use(void);
extern void number_cache_flush(void);
extern void number_cache_raise_no_chat(ChatKey chat);

#endif							/* PG_CHAT_NUMBER_CACHE_H */
