/*
 * fair_queue.c
 *		A queue that is fair between owners, and between callers of each: they take turns.
 *
 * Each caller of an owner has its own list of queries. Callers with queries that wait are
 * in a list of their owner, and owners with such callers in one of the queue; from each
 * list the first is served and then goes to its end. A caller is freed when none of its
 * queries waits, an owner when it has no queries.
 */
#include <stdlib.h>
#include <string.h>

#include "db/fair_queue.h"

struct QueryCaller
{
	uint64_t	caller;
	const QueryOwner *owner;
	QueryQueue	waiting;
	QueryCaller *next;			/* in the owner's list */
	QueryCaller *next_in_bucket;
};

struct QueryOwner
{
	size_t		length;
	int			waiting;
	int			in_flight;
	QueryCaller *first;			/* callers with queries that wait, in the order of their turns */
	QueryCaller *last;
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

static QueryCaller **
caller_place(FairQueue *queue, const QueryOwner *owner, uint64_t caller)
{
	uint64_t	hash = (caller ^ (uintptr_t) owner) * UINT64_C(0x9e3779b97f4a7c15);
	QueryCaller **place = &queue->callers[(hash >> 32) % OWNER_BUCKETS];

	while (*place && ((*place)->owner != owner || (*place)->caller != caller))
		place = &(*place)->next_in_bucket;
	return place;
}

/* Returns the owner of a token, which may be new; NULL if out of memory. */
static QueryOwner *
owner_of(FairQueue *queue, const char *token, size_t length)
{
	QueryOwner **place = bucket_place(queue, token, length);

	if (*place == NULL && (*place = calloc(1, sizeof(QueryOwner) + length)) != NULL)
	{
		memcpy((*place)->token, token, length);
		(*place)->length = length;
	}
	return *place;
}

static void
free_if_idle(FairQueue *queue, QueryOwner *owner)
{
	if (owner->waiting > 0 || owner->in_flight > 0)
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

/* Puts a caller at the end of its owner's list. */
static void
append_caller(QueryOwner *owner, QueryCaller *caller)
{
	caller->next = NULL;
	if (owner->last)
		owner->last->next = caller;
	else
		owner->first = caller;
	owner->last = caller;
}

/* Ends the turn of an owner's first caller: it goes to the end of the list, or is freed if it has no queries. */
static void
end_turn(FairQueue *queue, QueryOwner *owner)
{
	QueryCaller *caller = owner->first;

	owner->first = caller->next;
	if (owner->first == NULL)
		owner->last = NULL;
	if (caller->waiting.first)
	{
		append_caller(owner, caller);
		return;
	}
	*caller_place(queue, owner, caller->caller) = caller->next_in_bucket;
	free(caller);
}

/* Adds a query to those of its caller. Returns false if out of memory. */
static bool
add_to_caller(FairQueue *queue, QueryOwner *owner, Query *query)
{
	QueryCaller **place = caller_place(queue, owner, query->caller);

	if (*place == NULL)
	{
		*place = calloc(1, sizeof(QueryCaller));
		if (*place == NULL)
			return false;
		(*place)->caller = query->caller;
		(*place)->owner = owner;
		append_caller(owner, *place);
	}
	query_push(&(*place)->waiting, query);
	return true;
}

bool
fair_queue_add(FairQueue *queue, Query *query, int bound)
{
	bool		is_owned = query->values[0].text && !query->of_credential;
	QueryOwner *owner = owner_of(queue, is_owned ? query->values[0].text : "", is_owned ? query->values[0].length : 0);

	if (owner == NULL)
		return false;
	if (owner->waiting >= bound || !add_to_caller(queue, owner, query))
	{
		free_if_idle(queue, owner);
		return false;
	}
	if (owner->waiting++ == 0)
		append(queue, owner);
	query->owner = owner;
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

	return owner ? owner->first->waiting.first : NULL;
}

Query *
fair_queue_take(FairQueue *queue, int bound)
{
	QueryOwner *before;
	QueryOwner *owner = find_next(queue, bound, &before);
	Query	   *query;

	if (owner == NULL)
		return NULL;
	query = query_pop(&owner->first->waiting);
	end_turn(queue, owner);
	query_end_wait(query);
	queue->count--;
	owner->waiting--;
	owner->in_flight++;
	unlink_after(queue, before);
	if (owner->waiting > 0)
		append(queue, owner);
	return query;
}

void
fair_queue_end(FairQueue *queue, Query *query)
{
	query->owner->in_flight--;
	free_if_idle(queue, query->owner);
}

/* Fails the queries of an owner that have waited too long, or all. */
static void
expire_owner(FairQueue *queue, QueryOwner *owner, bool all)
{
	const QueryCaller *last = owner->last;
	bool		is_last;

	do
	{
		QueryCaller *caller = owner->first;
		int			before = caller->waiting.count;

		is_last = caller == last;
		queries_expire(&caller->waiting, all);
		owner->waiting -= before - caller->waiting.count;
		queue->count -= before - caller->waiting.count;
		end_turn(queue, owner);
	}
	while (!is_last);
}

void
fair_queue_expire(FairQueue *queue)
{
	QueryOwner *owner = queue->first;

	/* No query that fails here begins another one. */
	queue->first = queue->last = NULL;
	while (owner)
	{
		QueryOwner *next = owner->next;

		expire_owner(queue, owner, false);
		if (owner->waiting > 0)
			append(queue, owner);
		free_if_idle(queue, owner);
		owner = next;
	}
}
