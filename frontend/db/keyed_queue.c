/*
 * keyed_queue.c
 *		A queue in which queries with the same key keep their order.
 *
 * Each key has its own list of queries, ordered by when they were added. A key is
 * in the list of a turn, in that of paused keys, or in flight and in neither.
 * It is freed when it is in none and has no queries.
 */
#include <stdlib.h>
#include <string.h>

#include "db/keyed_queue.h"

struct QueryKey
{
	const char *text;			/* this key's own copy follows the struct */
	int			number;
	QueryQueue	queries;		/* that wait */
	int			in_flight;
	bool		returned;		/* one came back, while others are in flight */
	int			attempts;		/* that failed, since one succeeded */
	uint64_t	retry_at;
	QueryKey   *next_in_list;
	QueryKey   *next_in_bucket;
};

static QueryKey **
bucket_place(KeyedQueue *queue, const char *text, int number)
{
	uint32_t	hash = text_hash(text, strlen(text)) + (uint32_t) number * 2654435769u;
	QueryKey  **place = &queue->buckets[(hash ^ hash >> 15) % KEY_BUCKETS];

	while (*place && ((*place)->number != number || strcmp((*place)->text, text) != 0))
		place = &(*place)->next_in_bucket;
	return place;
}

static void
append_turn(KeyedQueue *queue, Turn *turn)
{
	turn->next = NULL;
	if (queue->last_turn)
		queue->last_turn->next = turn;
	else
		queue->first_turn = turn;
	queue->last_turn = turn;
}

/* Puts a key at the end of its caller's turn. */
static void
make_ready(KeyedQueue *queue, QueryKey *key)
{
	Turn	   *turn = &queue->turns[key->queries.first ? key->queries.first->caller % TURNS : 0];

	queue->none_may_be_sent = false;
	key->next_in_list = NULL;
	if (turn->last)
		turn->last->next_in_list = key;
	else
	{
		turn->first = key;
		append_turn(queue, turn);
	}
	turn->last = key;
}

/* Ends the first turn, with its first key, which is returned. The rest of the turn, if any, comes after all others. */
static QueryKey *
end_turn(KeyedQueue *queue)
{
	Turn	   *turn = queue->first_turn;
	QueryKey   *key = turn->first;

	queue->first_turn = turn->next;
	if (queue->first_turn == NULL)
		queue->last_turn = NULL;
	turn->first = key->next_in_list;
	if (turn->first)
		append_turn(queue, turn);
	else
		turn->last = NULL;
	return key;
}

static void
free_key(KeyedQueue *queue, QueryKey *key)
{
	*bucket_place(queue, key->text, key->number) = key->next_in_bucket;
	free(key);
}

bool
keyed_queue_add(KeyedQueue *queue, Query *query, const char *text, int number)
{
	QueryKey  **place = bucket_place(queue, text, number);
	QueryKey   *key = *place;
	bool		is_new = key == NULL;

	if (is_new)
	{
		key = calloc(1, sizeof(QueryKey) + strlen(text) + 1);
		if (key == NULL)
			return false;
		key->text = strcpy((char *) (key + 1), text);
		key->number = number;
		*place = key;
	}
	query->key = key;
	query->order = ++queue->order;
	query_push(&key->queries, query);
	if (is_new)
		make_ready(queue, key);
	query_begin_wait(query);
	queue->count++;
	return true;
}

/* Finds the first key of a turn that can be taken. Returns the one before it, or NULL. */
static QueryKey *
find_key(const KeyedQueue *queue, const Turn *turn, bool *found)
{
	QueryKey   *before = NULL;

	for (QueryKey *key = turn->first; key; key = key->next_in_list)
	{
		*found = key->queries.first && (queue->may_be_sent == NULL || queue->may_be_sent(key->queries.first));
		if (*found)
			break;
		before = key;
	}
	return before;
}

/* Makes the key after another the first of its turn. */
static void
put_first(Turn *turn, QueryKey *before)
{
	QueryKey   *key = before->next_in_list;

	before->next_in_list = key->next_in_list;
	if (turn->last == key)
		turn->last = before;
	key->next_in_list = turn->first;
	turn->first = key;
}

/* Makes the turn after another the first. */
static void
put_turn_first(KeyedQueue *queue, Turn *before)
{
	Turn	   *turn = before->next;

	before->next = turn->next;
	if (queue->last_turn == turn)
		queue->last_turn = before;
	turn->next = queue->first_turn;
	queue->first_turn = turn;
}

bool
keyed_queue_is_ready(KeyedQueue *queue)
{
	Turn	   *turn_before = NULL;
	bool		found = false;

	/* All queries of a ready key may have expired. */
	while (queue->first_turn && queue->first_turn->first->queries.first == NULL)
		free_key(queue, end_turn(queue));
	for (Turn *turn = queue->none_may_be_sent ? NULL : queue->first_turn; turn; turn_before = turn, turn = turn->next)
	{
		QueryKey   *before = find_key(queue, turn, &found);

		if (!found)
			continue;
		if (before)
			put_first(turn, before);
		if (turn_before)
			put_turn_first(queue, turn_before);
		return true;
	}
	queue->none_may_be_sent = true;
	return false;
}

void
keyed_queue_take(KeyedQueue *queue, QueryQueue *taken, int count, size_t bytes)
{
	size_t		used = 0;

	while (taken->count < count && keyed_queue_is_ready(queue))
	{
		QueryKey   *key = queue->first_turn->first;

		while (key->queries.first && taken->count < count)
		{
			size_t		size = query_size(key->queries.first);
			Query	   *query;

			if (taken->count > 0 && used + size > bytes)
				break;
			query = query_pop(&key->queries);
			query_end_wait(query);
			query_push(taken, query);
			queue->count--;
			key->in_flight++;
			used += size;
		}
		if (key->in_flight == 0)
			return;
		end_turn(queue);
		if (key->queries.first)
			return;
	}
}

/* Ends the pauses that are over, and sets the timer for the next. */
static void
end_pauses(void *owner)
{
	KeyedQueue *queue = owner;
	QueryKey   *key = queue->paused;
	uint64_t	next = 0;

	queue->paused = NULL;
	while (key)
	{
		QueryKey   *following = key->next_in_list;

		if (key->retry_at <= loop_now())
			make_ready(queue, key);
		else
		{
			if (next == 0 || key->retry_at < next)
				next = key->retry_at;
			key->next_in_list = queue->paused;
			queue->paused = key;
		}
		key = following;
	}
	loop_arm(&queue->timer, next);
}

static void
pause_key(KeyedQueue *queue, QueryKey *key)
{
	int			pause = queue->first_pause;

	for (int i = 0; i < key->attempts && pause < queue->last_pause; i++)
		pause *= 2;
	key->attempts++;
	key->returned = false;
	key->retry_at = loop_now() + pause;
	key->next_in_list = queue->paused;
	queue->paused = key;
	queue->timer.fire = end_pauses;
	queue->timer.owner = queue;
	if (queue->timer.due == 0 || queue->timer.due > key->retry_at)
		loop_arm(&queue->timer, key->retry_at);
}

/* Notes that a query of a key is no longer in flight. After the last one, others follow. */
static void
land(KeyedQueue *queue, QueryKey *key)
{
	queue->none_may_be_sent = false;
	if (--key->in_flight > 0)
		return;
	if (key->returned)
		pause_key(queue, key);
	else if (key->queries.first)
		make_ready(queue, key);
	else
		free_key(queue, key);
}

void
keyed_queue_end(KeyedQueue *queue, Query *query)
{
	if (!query->key->returned)
		query->key->attempts = 0;
	land(queue, query->key);
}

/* Puts a query back into its key's list, at its place. */
static void
put_back(KeyedQueue *queue, Query *query)
{
	QueryQueue *queries = &query->key->queries;
	Query	   *before = NULL;

	for (Query *other = queries->first; other && other->order < query->order; other = other->next)
		before = other;
	query->next = before ? before->next : queries->first;
	if (before)
		before->next = query;
	else
		queries->first = query;
	if (query->next == NULL)
		queries->last = query;
	queries->count++;
	query_begin_wait(query);
	queue->count++;
}

void
keyed_queue_return(KeyedQueue *queue, QueryQueue *returned)
{
	Query	   *last = NULL;

	/* From the last to the first, so that each goes to the front of its list. */
	for (Query *query; (query = query_pop(returned)) != NULL; last = query)
		query->next = last;
	while (last)
	{
		Query	   *query = last;

		last = query->next;
		put_back(queue, query);
		query->key->returned = true;
		land(queue, query->key);
	}
}

bool
keyed_queue_is_behind(const Query *query)
{
	return query->key->returned;
}

/* Fails the queries of a key that have waited too long, or all. */
static void
expire_key(KeyedQueue *queue, QueryKey *key, bool all)
{
	int			before = key->queries.count;

	queries_expire(&key->queries, all);
	queue->count -= before - key->queries.count;
}

void
keyed_queue_expire(KeyedQueue *queue, bool all)
{
	if (queue->count == 0)
		return;
	for (int i = 0; i < KEY_BUCKETS; i++)
		for (QueryKey *key = queue->buckets[i]; key; key = key->next_in_bucket)
			expire_key(queue, key, all);
}
