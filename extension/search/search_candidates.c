/*
 * search_candidates.c
 *	  Searching with Elasticsearch.
 *
 * The index in Elasticsearch names candidates, and PostgreSQL finds those of
 * them that match in the calling query's snapshot. PostgreSQL also reads the
 * messages that the index may lack, between the candidates:
 *
 *	candidates		  c1   c2			c3
 *	unindexed		|		  |=======|		 |====|
 *	read			  c1   c2 |=======| c3	 |====|
 *
 * This is repeated, batch by batch, until there are as many messages as the
 * caller wants.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/timestamp.h"

#include "changes/database_registry.h"
#include "common/circuit_breaker.h"
#include "elasticsearch/es_query.h"
#include "search/search_candidates.h"

int			guc_search_timeout;

static bool
is_over(const Search *search)
{
	return search->missing <= 0 || search_range_is_empty(&search->range);
}

/* Whether a range begins where the rest of the search does. */
static bool
is_next(const SearchRange *left, ChatRange range)
{
	Position	first = search_range_first(left, range);

	return first.chat == (left->from_end ? left->through.chat : left->above.chat) &&
		first.number == (left->from_end ? left->through.number : left->above.number + 1);
}

/*
 * Merge candidates and the unindexed ranges between them, in the order of the
 * search, and remove these from unindexed. Returns the number of ranges; *last
 * becomes the position through which they lead.
 */
static int
merge(const Search *search, const EsCandidates *candidates, UnindexedRanges *unindexed, ChatRange *ranges, Position *last)
{
	int			count = 0;
	int			next = 0;

	*last = candidates->count > 0 ? candidates->positions[candidates->count - 1] : (Position) {0};
	for (;;)
	{
		const Position *candidate = next < candidates->count ? &candidates->positions[next] : NULL;
		const ChatRange *range = unindexed->count > 0 ? unindexed->ranges : NULL;
		ChatRange	taken;

		if (range != NULL && candidate == NULL && candidates->more)
			range = NULL;
		if (range != NULL && candidate != NULL && search_range_compare(&search->range, *candidate, search_range_first(&search->range, *range)) < 0)
			range = NULL;
		if (range == NULL && candidate == NULL)
			return count;

		if (range != NULL)
		{
			taken = *range;
			unindexed->ranges++;
			unindexed->count--;
		}
		else
			taken = (ChatRange) {candidate->chat, candidate->number - 1, candidate->number};
		ranges[count++] = taken;
		*last = search_range_last(&search->range, taken);
		while (next < candidates->count && search_range_compare(&search->range, candidates->positions[next], *last) <= 0)
			next++;
	}
}

/* The number of candidates to ask for, after a round that asked for previous. */
static int
batch_size(const Search *search, int previous)
{
	int64		size = search->missing + search->missing / 8 + 10;

	return Min(Max(size, (int64) previous * 2), ES_CANDIDATES_MAX);
}

/*
 * Ask Elasticsearch for candidates, unless it has failed recently, or too
 * little time is left for a fair chance. If it fails with all of the time, the
 * circuit breaker opens for other searches, too. Returns whether there are
 * candidates.
 */
static bool
ask_if_sensible(const Search *search, const char *index, int size, long timeout_ms, bool whole_time,
				EsCandidates *candidates)
{
	const char *problem;

	if (timeout_ms < guc_search_timeout / 10 || !circuit_breaker_lets_pass(registry_circuit_breaker()))
		return false;
	problem = es_query_candidates(&search->range, search->query, index, size, timeout_ms, candidates);
	if (problem == NULL)
		circuit_breaker_succeeded(registry_circuit_breaker());
	else
		ereport(whole_time && circuit_breaker_failed(registry_circuit_breaker()) ? LOG : DEBUG1,
				(errmsg("pg_chat searches without Elasticsearch"),
		/* Only for superusers, who alone can read the setting: it may name the server. */
				 superuser_arg(GetOuterUserId()) ? errdetail_internal("%s", problem) : errdetail_log("%s", problem),
				 errhidestmt(true)));
	return problem == NULL;
}

/* Search the first unindexed range, which is next. */
static void
search_first_unindexed(Search *search, UnindexedRanges *unindexed)
{
	Position	last = search_range_last(&search->range, unindexed->ranges[0]);

	search_table_ranges(search, unindexed->ranges, 1);
	search_range_pass(&search->range, last);
	unindexed->ranges++;
	unindexed->count--;
}

/*
 * Find the missing rows with an index, which may lack some ranges, as long as
 * Elasticsearch answers. Returns whether it did to the end; if not, the
 * search's range is the rest.
 */
bool
search_candidates_find(Search *search, const char *index, UnindexedRanges *unindexed)
{
	TimestampTz deadline = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), guc_search_timeout);
	int			size = 0;
	bool		first = true;

	while (!is_over(search))
	{
		EsCandidates candidates;
		ChatRange  *ranges;
		Position	last;
		int			count;

		if (unindexed->count > 0 && is_next(&search->range, unindexed->ranges[0]))
		{
			search_first_unindexed(search, unindexed);
			continue;
		}

		size = batch_size(search, size);
		if (!ask_if_sensible(search, index, size,
							 TimestampDifferenceMilliseconds(GetCurrentTimestamp(), deadline), first, &candidates))
			return false;
		first = false;
		ranges = palloc((candidates.count + unindexed->count + 1) * sizeof(ChatRange));
		count = merge(search, &candidates, unindexed, ranges, &last);
		search_table_ranges(search, ranges, count);
		if (!candidates.more)
			break;
		search_range_pass(&search->range, last);
	}
	return true;
}
