/*
 * redis_keys.h
 *	  Counters and their keys in Redis: see redis_keys.c.
 */
#ifndef PG_CHAT_REDIS_KEYS_H
#define PG_CHAT_REDIS_KEYS_H

#include "postgres.h"

#include "common/keys.h"

/* The most counters that are read, pushed or compared at a time. */
#define REDIS_COUNTERS_SLICE 1000

#define ANSWER_MISSING (-1)		/* the key does not exist, or is empty */
#define ANSWER_WRONG (-2)		/* its value is not a number */

/* A counter, as the tables have it. */
typedef struct RedisCounter
{
	ChatKey		parent;			/* the counter's row; chat 0: the application's */
	char	   *token;			/* the application's */
	char	   *key;
	int32		value;
	bool		gone;			/* the chat no longer exists */
	int64		answer;			/* Redis's value, or ANSWER_... */
} RedisCounter;

extern RedisCounter *redis_counters_of_result(MemoryContext context);
extern int	redis_counters_of(const ChatKey *parents, int count, RedisCounter **counters);
extern int	redis_counters_after(ChatKey position, RedisCounter **counters);
extern RedisCounter **redis_counters_list(RedisCounter *counters, int count);
extern void redis_counters_write(RedisCounter **counters, int count);
extern void redis_counters_ask(RedisCounter **counters, int count);

#endif							/* PG_CHAT_REDIS_KEYS_H */
