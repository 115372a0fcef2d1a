/*
 * search_table.c
 *	  Finding the messages that match, by PostgreSQL.
 *
 * All is read with the calling query's snapshot.
 */
#include "postgres.h"

#include "catalog/pg_type.h"

#include "common/int_columns.h"
#include "core/message.h"
#include "search/search_table.h"

#define MATCHES " AND chat.contains(body, $2)" MESSAGE_NOT_DELETED

/*
 * The matching messages of a range. Parameters: application, query, the range's
 * bounds above and through, each a chat and a number, the limit, and the
 * pattern, if any. The order is that of the key: ascending, or descending with
 * DESC.
 */
#define SCAN_CHAT(matches, order) \
	MESSAGE_SELECT_OF("$1", "$3") matches " AND " CHAT_IS_NOT_DELETED("$1", "$3") \
	" AND number > $4 AND number <= $6" \
	" ORDER BY number" order " LIMIT $7"
#define SCAN_APPLICATION(matches, order) \
	"SELECT chat_number, " MESSAGE_COLUMNS("messages") " FROM chat.messages" \
	" WHERE application_id = $1" matches " AND " CHAT_NUMBER_IS_NOT_DELETED("$1") \
	" AND ROW(chat_number, number) > ROW($3, $4)" \
	" AND ROW(chat_number, number) <= ROW($5, $6)" \
	" ORDER BY chat_number" order ", number" order " LIMIT $7"
#define SCAN_PLAN(sql) \
	SAVED_PLAN(sql, INT4OID, TEXTOID, INT4OID, INT4OID, INT4OID, INT4OID, INT8OID)
#define PATTERN_PLAN(sql) \
	SAVED_PLAN(sql, INT4OID, TEXTOID, INT4OID, INT4OID, INT4OID, INT4OID, INT8OID, TEXTOID)
#define PATTERN_MATCHES MATCHES " AND chat.fold(body) ~~ $8"

/*
 * The matching messages of many ranges, in the order of the ranges. Parameters:
 * application, query, the ranges' chats and bounds, and the limit.
 */
#define RANGES_SELECT(columns, order) \
	"SELECT " columns MESSAGE_COLUMNS("m") \
	" FROM ROWS FROM (unnest($3), unnest($4), unnest($5))" \
	" WITH ORDINALITY AS r (chat, above, through, place)" \
	" CROSS JOIN LATERAL (" MESSAGE_SELECT_OF("$1", "r.chat") MATCHES " AND " CHAT_IS_NOT_DELETED("$1", "r.chat") \
	" AND number > r.above AND number <= r.through" \
	" ORDER BY number" order " LIMIT $6) AS m" \
	" ORDER BY r.place LIMIT $6"
#define RANGES_PLAN(columns, order) \
	SAVED_PLAN(RANGES_SELECT(columns, order), INT4OID, TEXTOID, INT4ARRAYOID, INT4ARRAYOID, INT4ARRAYOID, INT8OID)

/* Count rows that were found, as no longer missing. */
static void
count_found(Search *search, uint64 rows)
{
	search->missing -= rows;
	if (search->found_enough != NULL && *search->found_enough)
		search->missing = 0;
}

/* Find the missing rows in the rest of the search's range. */
void
search_table_rest(Search *search)
{
	/* By whether a chat is searched, and whether from the end. */
	static SavedPlan scans[2][2] = {
		{SCAN_PLAN(SCAN_APPLICATION(MATCHES, "")), SCAN_PLAN(SCAN_APPLICATION(MATCHES, " DESC"))},
		{SCAN_PLAN(SCAN_CHAT(MATCHES, "")), SCAN_PLAN(SCAN_CHAT(MATCHES, " DESC"))}
	};
	static const SavedPlan with_pattern[2][2] = {
		{PATTERN_PLAN(SCAN_APPLICATION(PATTERN_MATCHES, "")), PATTERN_PLAN(SCAN_APPLICATION(PATTERN_MATCHES, " DESC"))},
		{PATTERN_PLAN(SCAN_CHAT(PATTERN_MATCHES, "")), PATTERN_PLAN(SCAN_CHAT(PATTERN_MATCHES, " DESC"))}
	};
	const SearchRange *range = &search->range;
	Datum		values[8] = {
		Int32GetDatum(range->application), PointerGetDatum(search->query),
		Int32GetDatum(range->above.chat), Int32GetDatum(range->above.number),
		Int32GetDatum(range->through.chat), Int32GetDatum(range->through.number),
		Int64GetDatum(search->missing), PointerGetDatum(search->pattern)
	};

	if (search->pattern != NULL)
		count_found(search, spi_plan_read_to_replanned(&with_pattern[range->within_chat][range->from_end],
													   values, search->found));
	else
		count_found(search, spi_plan_read_to(&scans[range->within_chat][range->from_end],
											 values, search->found));
}

/* Find the missing rows in ranges, which are in the order of the search. */
void
search_table_ranges(Search *search, const ChatRange *ranges, int count)
{
	static SavedPlan plans[2][2] = {
		{RANGES_PLAN("r.chat, ", ""), RANGES_PLAN("r.chat, ", " DESC")},
		{RANGES_PLAN("", ""), RANGES_PLAN("", " DESC")}
	};
	IntColumns	columns;
	Datum		values[6] = {Int32GetDatum(search->range.application), PointerGetDatum(search->query)};

	int_columns_init(&columns, 3, count);
	for (int i = 0; i < count; i++)
		int_columns_append(&columns, (int32[]) {ranges[i].chat, ranges[i].above, ranges[i].through});
	int_columns_to_arrays(&columns, values + 2);
	values[5] = Int64GetDatum(search->missing);
	count_found(search, spi_plan_read_to(&plans[search->range.within_chat][search->range.from_end],
										 values, search->found));
}
