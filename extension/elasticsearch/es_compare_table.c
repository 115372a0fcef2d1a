/*
 * es_compare_table.c
 *	  The table's side of a comparison with a search index.
 *
 * The index always lags behind the table by the pending messages: those above
 * their chat's watermark, or in the queue. So these are read together with the
 * messages, in one snapshot.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"

#include "bgworker/worker_xact.h"
#include "common/int_columns.h"
#include "common/spi_plan.h"
#include "elasticsearch/es_compare_table.h"

/*
 * The most bytes of bodies of a slice, without its last message: their
 * checksums take a few tenths of a second.
 */
#define SLICE_BYTES 16777216

/* Begin to read: in the worker, in a transaction of its own. */
static void
begin_read(const TableAccess *access, const char *activity)
{
	if (access->in_worker)
		worker_xact_begin(activity);
}

/* End to read. The result has been copied to the caller's memory context, which is restored. */
static void
end_read(const TableAccess *access, MemoryContext caller)
{
	SPI_freetuptable(SPI_tuptable);
	if (access->in_worker)
		worker_xact_commit();
	MemoryContextSwitchTo(caller);
}

static int64
result_int64(uint64 row, int column, int64 if_null)
{
	bool		isnull;
	Datum		value = spi_result(row, column, INT8OID, &isnull);

	return isnull ? if_null : DatumGetInt64(value);
}

/*
 * Read the messages above a key, in chats through another, as buckets in the
 * current memory context: at most size messages, of a limited size.
 */
TableSlice
es_compare_table_slice(const TableAccess *access, MessageKey above, ChatKey through, int size)
{
	static SavedPlan plan = SAVED_PLAN(
		"SELECT b.application_id, b.chat_number, b.last, b.start, b.count, b.sum, b.bytes,"
		" b.first > COALESCE(w.indexed_number, 0) AS pending"
		" FROM (SELECT application_id, chat_number, min(number) AS first, max(number) AS last,"
		" bucket::int8 * $7 AS start, count(*) AS count, sum(checksum)::int8 AS sum, sum(bytes)::int8 AS bytes"
		" FROM (SELECT application_id, chat_number, number, number / $7 AS bucket, octet_length(body) AS bytes,"
		" chat_internal.search_checksum(application_id, chat_number, number, body) AS checksum"
		" FROM (SELECT application_id, chat_number, number, body,"
		" sum(octet_length(body)) OVER (ORDER BY application_id, chat_number, number ROWS UNBOUNDED PRECEDING) AS bytes_so_far"
		" FROM (SELECT application_id, chat_number, number, body FROM chat.messages"
		" WHERE (application_id, chat_number, number) > ($1, $2, $3)"
		" AND (application_id, chat_number) <= ($4, $5)"
		" ORDER BY application_id, chat_number, number LIMIT $6) AS m) AS m"
		" WHERE bytes_so_far - octet_length(body) < " CppAsString2(SLICE_BYTES) ") AS m"
		" GROUP BY application_id, chat_number, bucket) AS b"
		" LEFT JOIN LATERAL (SELECT w.indexed_number FROM chat_internal.search_watermarks AS w"
		" WHERE w.index_id = $8 AND w.application_id = b.application_id AND w.chat_number = b.chat_number"
		" OFFSET 0) AS w ON true"
		" ORDER BY b.application_id, b.chat_number, b.start",
		INT4OID, INT4OID, INT4OID, INT4OID, INT4OID, INT8OID, INT4OID, INT4OID);
	Datum		values[8] = {
		Int32GetDatum(above.application), Int32GetDatum(above.chat), Int32GetDatum(above.number),
		Int32GetDatum(through.application), Int32GetDatum(through.chat), Int64GetDatum(size),
		Int32GetDatum(BUCKET_SIZE), Int32GetDatum(access->index)
	};
	MemoryContext caller = CurrentMemoryContext;
	TableSlice	slice = {0};
	int64		bytes = 0;
	uint64		rows;

	begin_read(access, "reading messages to compare with the search index");
	rows = spi_plan_read_fresh(&plan, values);
	slice.buckets = MemoryContextAlloc(caller, Max(rows, 1) * sizeof(Bucket));
	for (uint64 row = 0; row < rows; row++)
	{
		Bucket		bucket = {
			.application = spi_result_int32(row, spi_column("application_id")),
			.chat = spi_result_int32(row, spi_column("chat_number")),
			.start = spi_result_int64(row, spi_column("start")),
			.count = spi_result_int64(row, spi_column("count")),
			.sum = result_int64(row, spi_column("sum"), 0)
		};

		slice.last = (MessageKey) {bucket.application, bucket.chat, spi_result_int32(row, spi_column("last"))};
		slice.messages += bucket.count;
		bytes += spi_result_int64(row, spi_column("bytes"));
		if (!spi_result_bool(row, spi_column("pending")))
			slice.buckets[slice.count++] = bucket;
	}
	slice.more = slice.messages == size || bytes >= SLICE_BYTES;
	end_read(access, caller);
	return slice;
}

/* Whether the index is to be replaced. Raises 55000 if it was already. */
static bool
is_to_be_replaced(int32 index)
{
	static SavedPlan plan = SAVED_PLAN(
		"SELECT rebuild FROM chat_internal.search_indexes"
		" WHERE id = $1 AND state <> 'retired' AND uuid IS NOT NULL", INT4OID);
	Datum		value = Int32GetDatum(index);

	if (spi_plan_read_fresh(&plan, &value) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the search index was replaced meanwhile, or cannot be used any more"),
				 errhint("Try again; see chat.search_status.")));
	return spi_result_bool(0, spi_column("rebuild"));
}

/* Ranges, each of one chat, as the keys k of a FROM list: parameters 1 to 4. */
#define RANGES \
	" FROM ROWS FROM (unnest($1), unnest($2), unnest($3), unnest($4))" \
	" AS k (application_id, chat_number, above, through)"

/* The condition that a row, by its alias, is in the range k. */
#define OF_RANGE(alias) \
	" " alias ".application_id = k.application_id AND " alias ".chat_number = k.chat_number"
#define WITHIN_RANGE(alias) \
	OF_RANGE(alias) " AND " alias ".number > k.above AND " alias ".number <= k.through"

/*
 * Read the table's side of the keys in some ranges, each of one chat, in the
 * current memory context. Raises 55000 if the index was replaced.
 */
TableRows
es_compare_table_rows(const TableAccess *access, const KeyRange *ranges, int count)
{
	static SavedPlan plan = SAVED_PLAN(
		"SELECT application_id, chat_number, number, max(checksum) AS checksum, bool_or(pending) AS pending FROM ("
		" SELECT k.application_id, k.chat_number, m.number,"
		" COALESCE(chat_internal.search_checksum(k.application_id, k.chat_number, m.number, m.body), $6) AS checksum,"
		" m.number > COALESCE(w.indexed_number, 0) AS pending"
		RANGES
		" CROSS JOIN LATERAL (SELECT m.number, m.body FROM chat.messages AS m WHERE" WITHIN_RANGE("m") " OFFSET 0) AS m"
		" LEFT JOIN LATERAL (SELECT w.indexed_number FROM chat_internal.search_watermarks AS w"
		" WHERE w.index_id = $5 AND" OF_RANGE("w") " OFFSET 0) AS w ON true"
		" UNION ALL"
		" SELECT k.application_id, k.chat_number, q.number, NULL, true"
		RANGES
		" CROSS JOIN LATERAL (SELECT q.number FROM chat_internal.search_queue AS q"
		" WHERE q.index_id = $5 AND" WITHIN_RANGE("q") " OFFSET 0) AS q"
		") AS r GROUP BY application_id, chat_number, number ORDER BY application_id, chat_number, number",
		INT4ARRAYOID, INT4ARRAYOID, INT4ARRAYOID, INT4ARRAYOID, INT4OID, INT8OID);
	MemoryContext caller = CurrentMemoryContext;
	IntColumns	columns;
	Datum		values[6];
	TableRows	rows;
	int			application_column;
	int			chat_column;
	int			number_column;
	int			checksum_column;
	int			pending_column;

	int_columns_init(&columns, 4, count);
	for (int i = 0; i < count; i++)
		int_columns_append(&columns, (int32[]) {
			ranges[i].through.application, ranges[i].through.chat,
			ranges[i].above.number, ranges[i].through.number
		});
	int_columns_to_arrays(&columns, values);
	values[4] = Int32GetDatum(access->index);
	values[5] = Int64GetDatum(CHECKSUM_UNKNOWN);

	begin_read(access, "reading messages to compare with documents of the search index");
	rows.count = spi_plan_read_fresh(&plan, values);
	application_column = spi_column("application_id");
	chat_column = spi_column("chat_number");
	number_column = spi_column("number");
	checksum_column = spi_column("checksum");
	pending_column = spi_column("pending");
	rows.items = MemoryContextAllocHuge(caller, Max(rows.count, 1) * sizeof(TableRow));
	for (int i = 0; i < rows.count; i++)
		rows.items[i] = (TableRow) {
			{spi_result_int32(i, application_column), spi_result_int32(i, chat_column), spi_result_int32(i, number_column)},
			result_int64(i, checksum_column, CHECKSUM_NONE), spi_result_bool(i, pending_column)
		};
	SPI_freetuptable(SPI_tuptable);
	/* Read last, so that it is known if a TRUNCATE is seen above. */
	rows.rebuild = is_to_be_replaced(access->index);
	end_read(access, caller);
	return rows;
}
