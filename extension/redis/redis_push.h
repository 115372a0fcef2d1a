/*
 * redis_push.h
 *	  Counters that changed, written to Redis: see redis_push.c.
 */
#ifndef PG_CHAT_REDIS_PUSH_H
#define PG_CHAT_REDIS_PUSH_H

#include "postgres.h"

#include "nodes/pg_list.h"

#include "bgworker/job.h"

/*
 * Counters that are yet to be written. It spans runs, and ends with an error: the
 * verification that follows finds what is lost.
 */
typedef struct RedisPush
{
	/* Changes that were taken from shared memory; NULL if all are pushed. */
	ChatKey    *changes;
	int			count;
	int			pushed;

	/* Applications to fill, and how far the first of them is. */
	List	   *fills;
	ChatKey		fill_position;
} RedisPush;

extern bool redis_push_take_changes(RedisPush *push);
extern bool redis_push_changes(RedisPush *push, JobRun *run);
extern void redis_push_add_fill(RedisPush *push, int32 application);
extern bool redis_push_fill(RedisPush *push, JobRun *run);
extern void redis_push_reset(RedisPush *push);

#endif							/* PG_CHAT_REDIS_PUSH_H */
