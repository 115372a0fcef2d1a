/*
 * unindexed_ranges.c
 *	  Messages that an index may lack.
 *
 * They are above their chat's watermark, or in the queue. As watermarks, queue
 * and messages are read with one snapshot, from before Elasticsearch is asked,
 * whatever is not pending is found there as that snapshot shows it, or as it
 * became later.
 */
#include "postgres.h"

#include "catalog/pg_type.h"

#include "common/spi_plan.h"
#include "search/unindexed_ranges.h"

/* Ranges at most; with more, the index is no help. */
#define PENDING_MAX 10000

/*
 * Read the ends of chats that lie above the watermark. A chat without one may
 * have messages that its last_number does not show, if somebody has set that
 * directly. Parameters: index, application, first and last chat, limit.
 */
static uint64
read_ends(const Search *search, int32 index)
{
	static SavedPlan plan = SAVED_PLAN(
		"SELECT c.chat, COALESCE(pg_catalog.max(c.indexed), 0), COALESCE(pg_catalog.max(c.last), 0) FROM ("
		"SELECT number AS chat, last_message_number AS last, messages_count AS count, NULL::pg_catalog.int4 AS indexed"
		" FROM chat.chats WHERE application_id OPERATOR(pg_catalog.=) $2"
		" AND number OPERATOR(pg_catalog.>=) $3 AND number OPERATOR(pg_catalog.<=) $4"
		" UNION ALL SELECT chat_number, NULL, NULL, indexed_number FROM chat_internal.search_watermarks"
		" WHERE index_id OPERATOR(pg_catalog.=) $1 AND application_id OPERATOR(pg_catalog.=) $2"
		" AND chat_number OPERATOR(pg_catalog.>=) $3 AND chat_number OPERATOR(pg_catalog.<=) $4"
		") AS c GROUP BY c.chat"
		" HAVING pg_catalog.max(c.last) OPERATOR(pg_catalog.<>) COALESCE(pg_catalog.max(c.indexed), 0)"
		" OR pg_catalog.max(c.indexed) IS NULL AND pg_catalog.max(c.count) OPERATOR(pg_catalog.>) 0"
		" LIMIT $5",
		INT4OID, INT4OID, INT4OID, INT4OID, INT8OID);
	Datum		values[5] = {
		Int32GetDatum(index), Int32GetDatum(search->application), Int32GetDatum(search->above.chat),
		Int32GetDatum(search->upto.chat), Int64GetDatum(PENDING_MAX + 1)
	};

	return spi_plan_read(&plan, values);
}

/* Read the keys that are queued. */
static uint64
read_queue(const Search *search, int32 index)
{
	static SavedPlan plan = SAVED_PLAN(
		"SELECT DISTINCT chat_number, number FROM chat_internal.search_queue"
		" WHERE index_id OPERATOR(pg_catalog.=) $1 AND application_id OPERATOR(pg_catalog.=) $2"
		" AND ROW(chat_number, number) OPERATOR(pg_catalog.>) ROW($3, $4)"
		" AND ROW(chat_number, number) OPERATOR(pg_catalog.<=) ROW($5, $6)"
		" LIMIT $7",
		INT4OID, INT4OID, INT4OID, INT4OID, INT4OID, INT4OID, INT8OID);
	Datum		values[7] = {
		Int32GetDatum(index), Int32GetDatum(search->application),
		Int32GetDatum(search->above.chat), Int32GetDatum(search->above.number),
		Int32GetDatum(search->upto.chat), Int32GetDatum(search->upto.number),
		Int64GetDatum(PENDING_MAX + 1)
	};

	return spi_plan_read(&plan, values);
}

/* Add what of a range lies within the search. */
static void
add_range(UnindexedRanges *pending, const Search *search, Range range)
{
	if (range.chat == search->above.chat)
		range.above = Max(range.above, search->above.number);
	if (range.chat == search->upto.chat)
		range.upto = Min(range.upto, search->upto.number);
	if (range.above < range.upto)
		pending->ranges[pending->count++] = range;
}

/* By where they begin; of those that begin together, the longest first. */
static int
compare_ranges(const void *a, const void *b)
{
	const Range *first = a;
	const Range *second = b;

	if (first->chat != second->chat)
		return first->chat < second->chat ? -1 : 1;
	if (first->above != second->above)
		return first->above < second->above ? -1 : 1;
	return (second->upto > first->upto) - (second->upto < first->upto);
}

/*
 * Bring the ranges into ascending order, without those that lie in another:
 * what is queued may lie above the watermark.
 */
static void
sort_ranges(UnindexedRanges *pending)
{
	int			kept = 0;

	qsort(pending->ranges, pending->count, sizeof(Range), compare_ranges);
	for (int i = 0; i < pending->count; i++)
	{
		Range	   *last = kept > 0 ? &pending->ranges[kept - 1] : NULL;

		if (last == NULL || last->chat != pending->ranges[i].chat || last->upto < pending->ranges[i].upto)
			pending->ranges[kept++] = pending->ranges[i];
	}
	pending->count = kept;
}

static void
reverse_ranges(UnindexedRanges *pending)
{
	for (int i = 0, j = pending->count - 1; i < j; i++, j--)
	{
		Range		range = pending->ranges[i];

		pending->ranges[i] = pending->ranges[j];
		pending->ranges[j] = range;
	}
}

/*
 * Read what is pending, in the current memory context. Returns false if it is
 * too much.
 */
bool
unindexed_ranges_read(const Search *search, int32 index, UnindexedRanges *pending)
{
	uint64		ends = read_ends(search, index);
	uint64		queued;

	if (ends > PENDING_MAX)
		return false;
	*pending = (UnindexedRanges) {.ranges = palloc((ends + PENDING_MAX) * sizeof(Range))};
	for (uint64 row = 0; row < ends; row++)
	{
		int32		indexed = spi_result_int32(row, 2);

		/* A watermark that is too high says nothing. */
		if (indexed > spi_result_int32(row, 3))
			indexed = 0;
		add_range(pending, search, (Range) {spi_result_int32(row, 1), indexed, PG_INT32_MAX});
	}

	queued = read_queue(search, index);
	if (queued > PENDING_MAX)
		return false;
	for (uint64 row = 0; row < queued; row++)
	{
		int32		number = spi_result_int32(row, 2);

		add_range(pending, search, (Range) {spi_result_int32(row, 1), number - 1, number});
	}

	sort_ranges(pending);
	if (search->from_end)
		reverse_ranges(pending);
	return true;
}
