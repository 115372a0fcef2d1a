/*
 * fair_queue.h
 *		A queue that is fair between owners, and between callers of each: they take turns.
 *
 * The owner of a query is the application whose token is its first parameter; all
 * queries without a token, and those about credentials, have one owner together. Owners take
 * turns, and the callers of an owner take turns in these. A turn is one query: so a query
 * waits for one query of each other owner, and among those of its own owner for one of each
 * other caller, and not for all of them. The queries of an owner that wait are bounded, and
 * so are those in flight.
 */
#ifndef CHATD_FAIR_QUEUE_H
#define CHATD_FAIR_QUEUE_H

#include "db/query.h"

#define OWNER_BUCKETS 1024

typedef struct QueryOwner QueryOwner;
typedef struct QueryCaller QueryCaller;

typedef struct FairQueue
{
	int			count;			/* of queries that wait */
	QueryOwner *buckets[OWNER_BUCKETS];
	QueryCaller *callers[OWNER_BUCKETS];
	QueryOwner *first;			/* owners with queries that wait, in the order of their turns */
	QueryOwner *last;
} FairQueue;

/* Adds a query. Returns false if bound queries of its owner wait already, or out of memory. */
extern bool fair_queue_add(FairQueue *queue, Query *query, int bound);

/* The query that fair_queue_take() would return; NULL if there is none. */
extern Query *fair_queue_first(const FairQueue *queue, int bound);

/*
 * Takes the next query whose owner has fewer than bound queries in flight; NULL if
 * there is none. It is in flight until fair_queue_end().
 */
extern Query *fair_queue_take(FairQueue *queue, int bound);

/* Ends a query that was in flight. */
extern void fair_queue_end(FairQueue *queue, Query *query);

/* Fails the queries that have waited too long. */
extern void fair_queue_expire(FairQueue *queue);

#endif
