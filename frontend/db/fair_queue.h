/*
 * fair_queue.h
 *		A queue that is fair between owners: they take turns.
 *
 * The owner of a query is the application of its first parameter, a token. The
 * queue is served in rounds, with at most one query of an owner in each, so that an
 * owner's query waits for one query of each other owner and not for all of them. An
 * owner also has a bound on its queries that wait and on those in flight.
 */
#ifndef CHATD_FAIR_QUEUE_H
#define CHATD_FAIR_QUEUE_H

#include "db/query.h"

typedef struct FairQueue
{
	QueryQueue	waiting;		/* ordered by round */
	QueryQueue	in_flight;
	uint64_t	round;			/* that is being served */
} FairQueue;

/* Adds a query. Returns false if its owner has bound queries waiting. */
extern bool fair_queue_add(FairQueue *queue, Query *query, int bound);

/*
 * Takes the next query of which the owner has fewer than bound in flight; NULL if
 * there is none. It is in flight until fair_queue_end().
 */
extern Query *fair_queue_take(FairQueue *queue, int bound);
extern void fair_queue_end(FairQueue *queue, Query *query);

#endif
