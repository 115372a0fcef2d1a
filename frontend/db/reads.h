/*
 * reads.h
 *		Queries that change nothing.
 */
#ifndef CHATD_READS_H
#define CHATD_READS_H

#include "db/query.h"

/*
 * Queues a query for the pool it names, POOL_READ or POOL_SEARCH. Fails it at
 * once if the pool is not connected or its queue is full.
 */
extern void reads_submit(Query *query);

/* At the end of an iteration of the loop: sends queued queries. */
extern void reads_dispatch(void);

/* Once a second: fails queries that have waited too long. */
extern void reads_tick(void);

#endif
