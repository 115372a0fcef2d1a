/*
 * repaired_counts.h
 *	  Counters that were repaired: see repaired_counts.c.
 */
#ifndef PG_CHAT_REPAIRED_COUNTS_H
#define PG_CHAT_REPAIRED_COUNTS_H

#include "postgres.h"

#include "bgworker/job.h"

/* The name of a key in Redis as a counter in chat.repaired_counts. */
#define REPAIRED_REDIS_KEY "redis"

/* A counter that was wrong, and was corrected. */
typedef struct RepairedCount
{
	ChatKey		parent;			/* the counter's row; chat 0: the application's */
	const char *counter;		/* a column's name, or REPAIRED_REDIS_KEY */
	bool		was_number;		/* whether old_value is a number; else it had none */
	int32		old_value;
	int32		new_value;
} RepairedCount;

extern void repaired_counts_add(const RepairedCount *repaired);
extern void repaired_counts_log(const RepairedCount *repaired, JobRun *run);
extern bool repaired_counts_trim(void);

#endif							/* PG_CHAT_REPAIRED_COUNTS_H */
