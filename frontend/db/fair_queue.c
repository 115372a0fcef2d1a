/*
 * fair_queue.c
 *		A queue that is fair between owners: they take turns.
 *
 * Each owner has its own list of queries. Owners with queries that wait are in a
 * list, from which the first is served and then goes to its end. An owner is freed
 * when it has no queries.
 */
#include <stdlib.h>
#include <string.h>

#include "db/fair_queue.h"

struct QueryOwner
{
	size_t		length;
	QueryQueue	waiting;
	int			in_flight;
	QueryOwner *next;			/* in the list of those with queries that wait */
	QueryOwner *next_in_bucket;
	char		token[];
};

static QueryOwner **
bucket_place(FairQueue *queue, const char *token, size_t length)
{
	QueryOwner **place = &queue->buckets[text_hash(token, length) % OWNER_BUCKETS];

	while (*place && ((*place)->length != length || memcmp((*place)->token, token, length) != 0))
		place = &(*place)->next_in_bucket;
	return place;
}

static void
free_if_idle(FairQueue *queue, QueryOwner *owner)
{
	if (owner->waiting.first || owner->in_flight > 0)
		return;
	*bucket_place(queue, owner->token, owner->length) = owner->next_in_bucket;
	free(owner);
}

/* Puts an owner at the end of the list. */
static void
append(FairQueue *queue, QueryOwner *owner)
{
	owner->next = NULL;
	if (queue->last)
		queue->last->next = owner;
	else
		queue->first = owner;
	queue->last = owner;
}

/* Unlinks the owner after another from the list; before is NULL for the first. */
static void
unlink_after(FairQueue *queue, QueryOwner *before)
{
	QueryOwner *owner = before ? before->next : queue->first;

	if (before)
		before->next = owner->next;
	else
		queue->first = owner->next;
	if (owner->next == NULL)
		queue->last = before;
}

bool
fair_queue_add(FairQueue *queue, Query *query, int bound)
{
	const char *token = query->values[0].text ? query->values[0].text : "";
	size_t		length = query->values[0].length;
	QueryOwner **place = bucket_place(queue, token, length);
	QueryOwner *owner = *place;

	if (owner == NULL)
	{
		owner = calloc(1, sizeof(QueryOwner) + length);
		if (owner == NULL)
			return false;
		memcpy(owner->token, token, length);
		owner->length = length;
		*place = owner;
	}
	if (owner->waiting.count >= bound)
		return false;
	if (owner->waiting.first == NULL)
		append(queue, owner);
	query->owner = owner;
	query_push(&owner->waiting, query);
	query_begin_wait(query);
	queue->count++;
	return true;
}

/*
 * The next owner with fewer than bound queries in flight, and in before the owner ahead
 * of it in the list. Passes over no more owners than there are queries in flight.
 */
static QueryOwner *
find_next(const FairQueue *queue, int bound, QueryOwner **before)
{
	QueryOwner *owner = queue->first;

	for (*before = NULL; owner && owner->in_flight >= bound; owner = owner->next)
		*before = owner;
	return owner;
}

Query *
fair_queue_first(const FairQueue *queue, int bound)
{
	QueryOwner *before;
	QueryOwner *owner = find_next(queue, bound, &before);

	return owner ? owner->waiting.first : NULL;
}

Query *
fair_queue_take(FairQueue *queue, int bound)
{
	QueryOwner *before;
	QueryOwner *owner = find_next(queue, bound, &before);
	Query	   *query;

	if (owner == NULL)
		return NULL;
	query = query_pop(&owner->waiting);
	query_end_wait(query);
	queue->count--;
	owner->in_flight++;
	unlink_after(queue, before);
	if (owner->waiting.first)
		append(queue, owner);
	return query;
}

void
fair_queue_end(FairQueue *queue, Query *query)
{
	query->owner->in_flight--;
	free_if_idle(queue, query->owner);
}

void
fair_queue_expire(FairQueue *queue, bool all)
{
	QueryOwner *owner = queue->first;

	/* No query that fails here begins another one. */
	queue->first = queue->last = NULL;
	while (owner)
	{
		QueryOwner *next = owner->next;
		int			before = owner->waiting.count;

		queries_expire(&owner->waiting, all);
		queue->count -= before - owner->waiting.count;
		if (owner->waiting.first)
			append(queue, owner);
		free_if_idle(queue, owner);
		owner = next;
	}
}
