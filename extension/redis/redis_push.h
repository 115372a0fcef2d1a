/*
 * redis_push.h
 *	  Writing counters that changed to Redis: see redis_push.c.
 */
#ifndef PG_CHAT_REDIS_PUSH_H
#define PG_CHAT_REDIS_PUSH_H

#include "postgres.h"

#include "nodes/pg_list.h"

#include "bgworker/job.h"

/*
 * Counters that are yet to be written. Lasts from run to run, until an error:
 * the verification after that finds what was lost.
 */
typedef struct RedisPush
{
	/* Changes that were taken from shared memory; NULL if all are pushed. */
	ChatKey    *changes;
	int			count;
	int			pushed;

	/* Applications to fill, and the position in the first of them. */
	List	   *fills;
	ChatKey		fill_position;
} RedisPush;

extern bool redis_push_take_changes(RedisPush *push);
extern bool redis_push_changes(RedisPush *push, JobRun *run);
extern void redis_push_add_fill(RedisPush *push, int32 application);
extern bool redis_push_fill(RedisPush *push, JobRun *run);
extern void redis_push_skip_changes(RedisPush *push);
extern void redis_push_reset(RedisPush *push);

#endif							/* PG_CHAT_REDIS_PUSH_H */
