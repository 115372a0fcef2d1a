/*
 * slowness.c
 *		Which statements took long for an application lately.
 *
 * Applications are known by the hashes of their tokens. Two with the same are taken for one,
 * which costs the other no more than the share of the sessions that slow ones have.
 *
 * All queries of a slow batch are taken for the cause of that. Those that were not are the first to
 * be served when they are by themselves.
 */
#include "db/slowness.h"

#define SLOW 100				/* ms */
#define SLOW_AGAIN 30			/* so many times as long as one took, others are expected */
#define SLOW_AGAIN_MOST 300000	/* ms */
#define APPLICATIONS 1024

static uint64_t slow_until[APPLICATIONS][STATEMENT_COUNT];

static uint64_t *
slow_until_of(const Query *query)
{
	const QueryValue *token = &query->values[0];

	return &slow_until[text_hash(token->text, token->length) % APPLICATIONS][query->statement];
}

bool
query_is_slow(const Query *query)
{
	return *slow_until_of(query) > loop_now();
}

void
query_note_time(const Query *query, const Operation *operation, int count)
{
	uint64_t	now = loop_now();
	uint64_t	took = now - operation->started_at;
	uint64_t   *until = slow_until_of(query);

	if (took < SLOW)
		return;
	*until = (*until > now ? *until : now) + took * SLOW_AGAIN / count;
	if (*until > now + SLOW_AGAIN_MOST)
		*until = now + SLOW_AGAIN_MOST;
}
