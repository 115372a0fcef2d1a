/*
 * unindexed_ranges.c
 *	  Messages that an index may lack.
 *
 * They are above their chat's watermark, or in the queue. Watermarks, queue
 * and messages are read with one snapshot, taken before Elasticsearch is
 * asked. So Elasticsearch finds every message outside of these ranges as that
 * snapshot shows it, or in a later state.
 */
#include "postgres.h"

#include "catalog/pg_type.h"

#include "common/spi_plan.h"
#include "search/unindexed_ranges.h"

/* The most ranges; with more of them, the index is of no use. */
#define RANGES_MAX 10000

/*
 * Read the ends of chats above the watermark. A chat without one may have
 * messages above its last_message_number, if somebody has set that directly.
 * Parameters: index, application, first and last chat, limit.
 */
static uint64
read_ends(const SearchRange *searched, int32 index)
{
	static SavedPlan plan = SAVED_PLAN(
		"SELECT c.chat, COALESCE(max(c.indexed), 0) AS indexed, COALESCE(max(c.last), 0) AS last FROM ("
		"SELECT number AS chat, last_message_number AS last, messages_count AS count, NULL::int4 AS indexed"
		" FROM chat.chats WHERE application_id = $2"
		" AND number >= $3 AND number <= $4"
		" UNION ALL SELECT chat_number, NULL, NULL, indexed_number FROM chat_internal.search_watermarks"
		" WHERE index_id = $1 AND application_id = $2"
		" AND chat_number >= $3 AND chat_number <= $4"
		") AS c GROUP BY c.chat"
		" HAVING max(c.last) <> COALESCE(max(c.indexed), 0)"
		" OR max(c.indexed) IS NULL AND max(c.count) > 0"
		" LIMIT $5",
		INT4OID, INT4OID, INT4OID, INT4OID, INT8OID);
	Datum		values[5] = {
		Int32GetDatum(index), Int32GetDatum(searched->application), Int32GetDatum(searched->above.chat),
		Int32GetDatum(searched->through.chat), Int64GetDatum(RANGES_MAX + 1)
	};

	return spi_plan_read(&plan, values);
}

/* Read the keys that are queued. Parameters: index, application, bounds, limit. */
static uint64
read_queue(const SearchRange *searched, int32 index)
{
	static SavedPlan plan = SAVED_PLAN(
		"SELECT DISTINCT chat_number, number FROM chat_internal.search_queue"
		" WHERE index_id = $1 AND application_id = $2"
		" AND ROW(chat_number, number) > ROW($3, $4)"
		" AND ROW(chat_number, number) <= ROW($5, $6)"
		" LIMIT $7",
		INT4OID, INT4OID, INT4OID, INT4OID, INT4OID, INT4OID, INT8OID);
	Datum		values[7] = {
		Int32GetDatum(index), Int32GetDatum(searched->application),
		Int32GetDatum(searched->above.chat), Int32GetDatum(searched->above.number),
		Int32GetDatum(searched->through.chat), Int32GetDatum(searched->through.number),
		Int64GetDatum(RANGES_MAX + 1)
	};

	return spi_plan_read(&plan, values);
}

/* Add the part of a range that lies within the search. */
static void
add_range(UnindexedRanges *unindexed, const SearchRange *searched, ChatRange range)
{
	if (range.chat == searched->above.chat)
		range.above = Max(range.above, searched->above.number);
	if (range.chat == searched->through.chat)
		range.through = Min(range.through, searched->through.number);
	if (range.above < range.through)
		unindexed->ranges[unindexed->count++] = range;
}

/* Compare ranges by their beginning, and of those with the same the longest first. */
static int
compare_ranges(const void *a, const void *b)
{
	const ChatRange *first = a;
	const ChatRange *second = b;

	if (first->chat != second->chat)
		return first->chat < second->chat ? -1 : 1;
	if (first->above != second->above)
		return first->above < second->above ? -1 : 1;
	return (second->through > first->through) - (second->through < first->through);
}

/*
 * Sort the ranges, and remove those that lie in another: queued messages may
 * lie above the watermark.
 */
static void
sort_ranges(UnindexedRanges *unindexed)
{
	int			kept = 0;

	qsort(unindexed->ranges, unindexed->count, sizeof(ChatRange), compare_ranges);
	for (int i = 0; i < unindexed->count; i++)
	{
		ChatRange  *last = kept > 0 ? &unindexed->ranges[kept - 1] : NULL;

		if (last == NULL || last->chat != unindexed->ranges[i].chat || last->through < unindexed->ranges[i].through)
			unindexed->ranges[kept++] = unindexed->ranges[i];
	}
	unindexed->count = kept;
}

static void
reverse_ranges(UnindexedRanges *unindexed)
{
	for (int i = 0, j = unindexed->count - 1; i < j; i++, j--)
	{
		ChatRange	range = unindexed->ranges[i];

		unindexed->ranges[i] = unindexed->ranges[j];
		unindexed->ranges[j] = range;
	}
}

/*
 * Read the parts of a search's range that an index may lack, in the current
 * memory context. Returns false if they are too many.
 */
bool
unindexed_ranges_read(const SearchRange *searched, int32 index, UnindexedRanges *unindexed)
{
	uint64		ends = read_ends(searched, index);
	uint64		queued;

	if (ends > RANGES_MAX)
		return false;
	*unindexed = (UnindexedRanges) {.ranges = palloc((ends + RANGES_MAX) * sizeof(ChatRange))};
	for (uint64 row = 0; row < ends; row++)
	{
		int32		indexed = spi_result_int32(row, spi_column("indexed"));

		/* A watermark that is too high means nothing. */
		if (indexed > spi_result_int32(row, spi_column("last")))
			indexed = 0;
		add_range(unindexed, searched,
				  (ChatRange) {spi_result_int32(row, spi_column("chat")), indexed, PG_INT32_MAX});
	}

	queued = read_queue(searched, index);
	if (queued > RANGES_MAX)
		return false;
	for (uint64 row = 0; row < queued; row++)
	{
		int32		number = spi_result_int32(row, spi_column("number"));

		add_range(unindexed, searched,
				  (ChatRange) {spi_result_int32(row, spi_column("chat_number")), number - 1, number});
	}

	sort_ranges(unindexed);
	if (searched->from_end)
		reverse_ranges(unindexed);
	return true;
}
