/*
 * fair_queue.h
 *		A queue that is fair between owners: they take turns.
 *
 * The owner of a query is the application of its first parameter, a token; the
 * queries whose first parameter is none have one owner together. A turn is one
 * query, so that an owner's query waits for one query of each other owner and not
 * for all of them. An owner also has a bound on its queries that wait and on those
 * in flight.
 */
#ifndef CHATD_FAIR_QUEUE_H
#define CHATD_FAIR_QUEUE_H

#include "db/query.h"

#define OWNER_BUCKETS 1024

typedef struct QueryOwner QueryOwner;

typedef struct FairQueue
{
	int			count;			/* of queries, without those in flight */
	QueryOwner *buckets[OWNER_BUCKETS];
	QueryOwner *first;			/* owners with queries that wait, the next to be served first */
	QueryOwner *last;
} FairQueue;

/* Adds a query. Returns false if its owner has bound queries waiting, or without memory. */
extern bool fair_queue_add(FairQueue *queue, Query *query, int bound);

/* The query that fair_queue_take() would return; NULL if there is none. */
extern Query *fair_queue_first(const FairQueue *queue, int bound);

/*
 * Takes the next query of which the owner has fewer than bound in flight; NULL if
 * there is none. It is in flight until fair_queue_end().
 */
extern Query *fair_queue_take(FairQueue *queue, int bound);
extern void fair_queue_end(FairQueue *queue, Query *query);

/* Fails the queries that have waited too long, or all; not those in flight. */
extern void fair_queue_expire(FairQueue *queue, bool all);

#endif
