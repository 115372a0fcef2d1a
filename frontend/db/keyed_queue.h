/*
 * keyed_queue.h
 *		A queue in which queries with the same key keep their order.
 *
 * The key of a query, a text and a number, is the thing that it will lock. A query that
 * was taken may come back because another transaction holds the lock; it then goes
 * before all later queries of its key. While a query of a key is in flight, and
 * during a pause after one came back, no other of that key is taken.
 */
#ifndef CHATD_KEYED_QUEUE_H
#define CHATD_KEYED_QUEUE_H

#include "common/loop.h"
#include "db/query.h"

#define KEY_BUCKETS 4096

typedef struct QueryKey QueryKey;

/* Initialize with the pauses, which double from attempt to attempt, in ms. */
typedef struct KeyedQueue
{
	int			first_pause;
	int			last_pause;
	int			count;			/* of queries that wait */
	uint64_t	order;			/* of the last query that was added */
	QueryKey   *buckets[KEY_BUCKETS];
	QueryKey   *first_ready;	/* keys with queries that can be taken */
	QueryKey   *last_ready;
	QueryKey   *paused;
	Timer		timer;			/* ends the pauses */
} KeyedQueue;

/* Adds a query under its key. Returns false if out of memory. */
extern bool keyed_queue_add(KeyedQueue *queue, Query *query, const char *text, int number);

/* Is there a query that can be taken? */
extern bool keyed_queue_is_ready(KeyedQueue *queue);

/*
 * Takes queries, those of the oldest keys first: at most count, and at most bytes of
 * parameters unless it is a single query. They are in flight until each is passed to
 * keyed_queue_end() or keyed_queue_return().
 */
extern void keyed_queue_take(KeyedQueue *queue, QueryQueue *taken, int count, size_t bytes);

/* Ends a query that was in flight. */
extern void keyed_queue_end(KeyedQueue *queue, Query *query);

/*
 * Puts queries back that were in flight, in their order, to be tried again after a
 * pause.
 */
extern void keyed_queue_return(KeyedQueue *queue, QueryQueue *returned);

/* Has an earlier query of the same key come back, so that this one must not be sent yet? */
extern bool keyed_queue_is_behind(const Query *query);

/* Fails the queries that have waited too long, or all that wait. */
extern void keyed_queue_expire(KeyedQueue *queue, bool all);

#endif
