/*
 * keyed_queue.h
 *		A queue in which queries with the same key keep their order.
 *
 * The key of a query, a text and a number, is the thing that it will lock. A query that
 * was taken may come back because another transaction holds the lock; it then goes
 * before all later queries of its key. While a query of a key is in flight, and
 * during a pause after one came back, no other of that key is taken.
 *
 * Callers take turns: in each, all queries of one key are taken, the oldest of those whose
 * first query is the caller's. Few callers, by chance, share their turns, so that a turn takes
 * no memory of its own (stochastic fairness queueing). A query that may not be sent yet is passed
 * over, with its key, and keeps its turn.
 */
#ifndef CHATD_KEYED_QUEUE_H
#define CHATD_KEYED_QUEUE_H

#include "common/loop.h"
#include "db/query.h"

#define KEY_BUCKETS 4096
#define TURNS 1024

typedef struct QueryKey QueryKey;

/* The keys of a turn that can be taken, and the turn after it. */
typedef struct Turn
{
	QueryKey   *first;
	QueryKey   *last;
	struct Turn *next;
} Turn;

/* Initialize with the pauses, which double from attempt to attempt, in ms, and perhaps with may_be_sent. */
typedef struct KeyedQueue
{
	int			first_pause;
	int			last_pause;
	bool		(*may_be_sent) (const Query *query);	/* now; NULL: each may */
	int			count;			/* of queries that wait */
	uint64_t	order;			/* of the last query that was added */
	QueryKey   *buckets[KEY_BUCKETS];
	Turn		turns[TURNS];	/* by callers */
	Turn	   *first_turn;		/* those with keys that can be taken, in their order */
	Turn	   *last_turn;
	bool		none_may_be_sent;	/* as long as nothing is added and nothing ends */
	QueryKey   *paused;
	Timer		timer;			/* ends the pauses */
} KeyedQueue;

/* Adds a query under its key. Returns false if out of memory. */
extern bool keyed_queue_add(KeyedQueue *queue, Query *query, const char *text, int number);

/* Is there a query that can be taken? */
extern bool keyed_queue_is_ready(KeyedQueue *queue);

/*
 * Takes queries, turn by turn: at most count, and at most bytes of parameters unless it is a single query. They are in flight until each is passed to
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
