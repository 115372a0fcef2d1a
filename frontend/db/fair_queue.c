/*
 * fair_queue.c
 *		A queue that is fair between owners: they take turns.
 */
#include <string.h>

#include "db/fair_queue.h"

static bool
same_owner(const Query *query, const Query *other)
{
	return query->values[0].length == other->values[0].length &&
		memcmp(query->values[0].text, other->values[0].text, query->values[0].length) == 0;
}

/* Inserts a query after another; NULL: at the front. */
static void
insert_after(QueryQueue *queue, Query *before, Query *query)
{
	query->next = before ? before->next : queue->first;
	if (before)
		before->next = query;
	else
		queue->first = query;
	if (query->next == NULL)
		queue->last = query;
	queue->count++;
}

/* Removes the query after another; NULL: the first. */
static Query *
remove_after(QueryQueue *queue, Query *before)
{
	Query	   *query = before ? before->next : queue->first;

	if (before)
		before->next = query->next;
	else
		queue->first = query->next;
	if (query->next == NULL)
		queue->last = before;
	queue->count--;
	return query;
}

bool
fair_queue_add(FairQueue *queue, Query *query, int bound)
{
	Query	   *before = NULL;
	int			count = 0;

	query->order = queue->round + 1;
	for (Query *other = queue->waiting.first; other; other = other->next)
	{
		if (!same_owner(query, other))
			continue;
		query->order = other->order + 1;
		if (++count >= bound)
			return false;
	}
	for (Query *other = queue->waiting.first; other && other->order <= query->order; other = other->next)
		before = other;
	insert_after(&queue->waiting, before, query);
	query_begin_wait(query);
	return true;
}

static int
count_in_flight(const FairQueue *queue, const Query *query)
{
	int			count = 0;

	for (const Query *other = queue->in_flight.first; other; other = other->next)
		count += same_owner(query, other);
	return count;
}

Query *
fair_queue_take(FairQueue *queue, int bound)
{
	Query	   *before = NULL;

	for (Query *query = queue->waiting.first; query; before = query, query = query->next)
	{
		if (count_in_flight(queue, query) >= bound)
			continue;
		remove_after(&queue->waiting, before);
		query_end_wait(query);
		if (query->order > queue->round)
			queue->round = query->order;
		query_push(&queue->in_flight, query);
		return query;
	}
	return NULL;
}

void
fair_queue_end(FairQueue *queue, Query *query)
{
	Query	   *before = NULL;

	for (Query *other = queue->in_flight.first; other != query; other = other->next)
		before = other;
	remove_after(&queue->in_flight, before);
}
