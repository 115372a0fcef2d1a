/*
 * repaired_counts.h
 *	  Counters that were repaired: see repaired_counts.c.
 */
#ifndef PG_CHAT_REPAIRED_COUNTS_H
#define PG_CHAT_REPAIRED_COUNTS_H

#include "postgres.h"

#include "bgworker/job.h"

/* The counter that chat.repaired_counts calls so is a key in Redis. */
#define REPAIRED_REDIS_KEY "redis"

/* A counter that was wrong, and is right now. */
typedef struct RepairedCount
{
	ChatKey		parent;			/* whose counter it is; chat 0: the application's */
	const char *counter;		/* a column's name, or REPAIRED_REDIS_KEY */
	bool		was_number;		/* whether it had a number, old_value */
	int32		old_value;
	int32		new_value;
} RepairedCount;

extern void repaired_counts_add(const RepairedCount *repaired);
extern void repaired_counts_log(const RepairedCount *repaired, JobRun *run);
extern bool repaired_counts_trim(void);

#endif							/* PG_CHAT_REPAIRED_COUNTS_H */
