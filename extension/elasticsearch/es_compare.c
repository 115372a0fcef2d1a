/*
 * es_compare.c
 *	  A search index compared with the table.
 *
 * Both sides are walked in key order, slice by slice. Each tells the count and
 * the sum of checksums of the buckets of a slice, of up to ten thousand
 * messages. Only in buckets that differ are messages compared with documents.
 *
 * The index is behind the table all the time, by what is pending: messages
 * above their chat's watermark, or in the queue. What is pending is never
 * reported. Neither is what only seems to differ, since the two sides are not
 * read at the same instant: a message is reported if it was not pending, the
 * same, and different from its document, when the table was read before the
 * index and again after it, and had differed at a first look. For in between,
 * it must have been pending if anybody had changed it.
 *
 * A document without a message is pending only if it is in the queue: what is
 * deleted is, until the document is gone. After a TRUNCATE nothing is queued,
 * but the index is to be rebuilt; then such documents are not looked at.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "bgworker/worker_xact.h"
#include "common/int_array.h"
#include "common/spi_plan.h"
#include "elasticsearch/es_compare.h"
#include "elasticsearch/es_scan.h"

/* Messages that are compared with documents at a time, or some more. */
#define COMPARED_MAX 20000

/* Checksums of what is not there, or is not what it should be. */
#define CHECKSUM_NONE (-1)
#define CHECKSUM_UNKNOWN (-2)

/* What the table says of a key. */
typedef struct Row
{
	MessageKey	key;
	int64		checksum;		/* CHECKSUM_NONE: there is no such message */
	bool		pending;
} Row;

/* A key of which table and index say different things. */
typedef struct Suspect
{
	MessageKey	key;
	int64		row;			/* checksum */
	int64		document;		/* checksum */
} Suspect;

/* Arrays that grow, in the memory of a slice. */
typedef struct Rows
{
	Row		   *items;
	int			count;
} Rows;

typedef struct Documents
{
	Document   *items;
	int			count;
	int			capacity;
} Documents;

typedef struct Suspects
{
	Suspect    *items;
	int			count;
} Suspects;

/* A slice while it is compared. */
typedef struct Slice
{
	EsCompare *comparison;
	MemoryContext memory;
	KeyRange	range;
	Bucket	   *buckets;		/* of the table */
	int			count;
	KeyRange	differing[KEY_RANGES_MAX];	/* buckets to compare in detail */
	int			differing_count;
	int64		differing_messages;
	bool		rebuild;		/* the index is to be replaced */
} Slice;

/* Begin to read the table. Results are allocated in the slice's memory. */
static void
begin_read(const Slice *slice, const char *activity)
{
	if (slice->comparison->in_worker)
		worker_xact_begin(activity);
}

static void
end_read(const Slice *slice)
{
	SPI_freetuptable(SPI_tuptable);
	if (slice->comparison->in_worker)
		worker_xact_commit();
	MemoryContextSwitchTo(slice->memory);
}

static int64
result_int64(uint64 row, int column, int64 if_null)
{
	bool		isnull;
	Datum		value = spi_result(row, column, INT8OID, &isnull);

	return isnull ? if_null : DatumGetInt64(value);
}

static MessageKey
result_key(uint64 row)
{
	return (MessageKey) {spi_result_int32(row, 1), spi_result_int32(row, 2), spi_result_int32(row, 3)};
}

/*
 * Read the table's buckets of the next slice, but for those that are pending
 * as a whole, and set its range. Returns whether there is more after it.
 */
static bool
read_slice(Slice *slice)
{
	static SavedPlan plan = SAVED_PLAN(
		"SELECT b.application_id, b.chat_number, b.last, b.start, b.count, b.sum,"
		" (b.first OPERATOR(pg_catalog.>) COALESCE(w.indexed_number, 0))::pg_catalog.int4"
		" FROM (SELECT application_id, chat_number, pg_catalog.min(number) AS first, pg_catalog.max(number) AS last,"
		" bucket::pg_catalog.int8 OPERATOR(pg_catalog.*) $7 AS start,"
		" pg_catalog.count(*) AS count, pg_catalog.sum(checksum)::pg_catalog.int8 AS sum"
		" FROM (SELECT application_id, chat_number, number, number OPERATOR(pg_catalog./) $7 AS bucket,"
		" chat_internal.search_checksum(application_id, chat_number, number, body) AS checksum FROM chat.messages"
		" WHERE (application_id, chat_number, number) OPERATOR(pg_catalog.>) ($1, $2, $3)"
		" AND (application_id, chat_number) OPERATOR(pg_catalog.<=) ($4, $5)"
		" ORDER BY application_id, chat_number, number LIMIT $6) AS m"
		" GROUP BY application_id, chat_number, bucket) AS b"
		" LEFT JOIN chat_internal.search_watermarks AS w ON w.index_id OPERATOR(pg_catalog.=) $8"
		" AND w.application_id OPERATOR(pg_catalog.=) b.application_id"
		" AND w.chat_number OPERATOR(pg_catalog.=) b.chat_number"
		" ORDER BY b.application_id, b.chat_number, b.start",
		INT4OID, INT4OID, INT4OID, INT4OID, INT4OID, INT8OID, INT4OID, INT4OID);
	EsCompare *comparison = slice->comparison;
	Datum		values[8] = {
		Int32GetDatum(comparison->position.application), Int32GetDatum(comparison->position.chat),
		Int32GetDatum(comparison->position.number), Int32GetDatum(comparison->last_application),
		Int32GetDatum(comparison->last_chat), Int64GetDatum(comparison->slice_size),
		Int32GetDatum(BUCKET_SIZE), Int32GetDatum(comparison->index)
	};
	int64		messages = 0;
	uint64		found;
	bool		more;

	begin_read(slice, "reading messages to compare with the search index");
	found = spi_plan_write(&plan, values, NULL);
	slice->buckets = MemoryContextAlloc(slice->memory, (found + 1) * sizeof(Bucket));
	slice->range.from = comparison->position;
	for (uint64 row = 0; row < found; row++)
	{
		bool		pending = spi_result_int32(row, 7) != 0;
		Bucket		bucket = {
			.application = spi_result_int32(row, 1),
			.chat = spi_result_int32(row, 2),
			.start = result_int64(row, 4, 0),
			.count = result_int64(row, 5, 0),
			.sum = result_int64(row, 6, 0)
		};

		slice->range.upto = result_key(row);
		messages += bucket.count;
		if (!pending)
			slice->buckets[slice->count++] = bucket;
	}
	end_read(slice);

	more = messages == comparison->slice_size;
	if (!more)
		slice->range.upto = (MessageKey) {
			comparison->last_application, comparison->last_chat, PG_INT32_MAX
		};
	comparison->compared += messages;
	return more;
}

/*
 * Whether the index is to be replaced. Raises 55000 if it was.
 */
static bool
is_to_be_replaced(int32 index)
{
	static SavedPlan plan = SAVED_PLAN(
		"SELECT rebuild::pg_catalog.int4 FROM chat_internal.search_indexes"
		" WHERE id OPERATOR(pg_catalog.=) $1 AND state OPERATOR(pg_catalog.<>) 'retired'"
		" AND uuid IS NOT NULL", INT4OID);
	Datum		value = Int32GetDatum(index);

	if (spi_plan_write(&plan, &value, NULL) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the search index was replaced meanwhile, or cannot be used any more"),
				 errhint("Try again; see chat.search_status.")));
	return spi_result_int32(0, 1) != 0;
}

/*
 * What the table says of the keys in some ranges, each of one chat.
 */
static Rows
read_rows(Slice *slice, const KeyRange *ranges, int count)
{
	static SavedPlan plan = SAVED_PLAN(
		"SELECT application_id, chat_number, number, pg_catalog.max(checksum), pg_catalog.max(pending) FROM ("
		" SELECT k.application_id, k.chat_number, m.number,"
		" COALESCE(chat_internal.search_checksum(k.application_id, k.chat_number, m.number, m.body), $6) AS checksum,"
		" (m.number OPERATOR(pg_catalog.>) COALESCE(w.indexed_number, 0))::pg_catalog.int4 AS pending"
		" FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2), pg_catalog.unnest($3), pg_catalog.unnest($4))"
		" AS k (application_id, chat_number, above, upto)"
		" CROSS JOIN LATERAL (SELECT number, body FROM chat.messages"
		" WHERE application_id OPERATOR(pg_catalog.=) k.application_id"
		" AND chat_number OPERATOR(pg_catalog.=) k.chat_number"
		" AND number OPERATOR(pg_catalog.>) k.above AND number OPERATOR(pg_catalog.<=) k.upto OFFSET 0) AS m"
		" LEFT JOIN LATERAL (SELECT indexed_number FROM chat_internal.search_watermarks"
		" WHERE index_id OPERATOR(pg_catalog.=) $5 AND application_id OPERATOR(pg_catalog.=) k.application_id"
		" AND chat_number OPERATOR(pg_catalog.=) k.chat_number OFFSET 0) AS w ON true"
		" UNION ALL"
		" SELECT k.application_id, k.chat_number, q.number, NULL, 1"
		" FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2), pg_catalog.unnest($3), pg_catalog.unnest($4))"
		" AS k (application_id, chat_number, above, upto)"
		" CROSS JOIN LATERAL (SELECT number FROM chat_internal.search_queue"
		" WHERE index_id OPERATOR(pg_catalog.=) $5 AND application_id OPERATOR(pg_catalog.=) k.application_id"
		" AND chat_number OPERATOR(pg_catalog.=) k.chat_number"
		" AND number OPERATOR(pg_catalog.>) k.above AND number OPERATOR(pg_catalog.<=) k.upto OFFSET 0) AS q"
		") AS r GROUP BY application_id, chat_number, number ORDER BY application_id, chat_number, number",
		INT4ARRAYOID, INT4ARRAYOID, INT4ARRAYOID, INT4ARRAYOID, INT4OID, INT8OID);
	Int32Array	columns[4];
	Datum		values[6];
	Rows		rows;

	for (int i = 0; i < 4; i++)
		int32_array_init(&columns[i], count);
	for (int i = 0; i < count; i++)
	{
		int32_array_append(&columns[0], ranges[i].upto.application);
		int32_array_append(&columns[1], ranges[i].upto.chat);
		int32_array_append(&columns[2], ranges[i].from.number);
		int32_array_append(&columns[3], ranges[i].upto.number);
	}
	for (int i = 0; i < 4; i++)
		values[i] = int32_array_datum(&columns[i]);
	values[4] = Int32GetDatum(slice->comparison->index);
	values[5] = Int64GetDatum(CHECKSUM_UNKNOWN);

	begin_read(slice, "reading messages to compare with documents of the search index");
	rows.count = spi_plan_write(&plan, values, NULL);
	rows.items = MemoryContextAlloc(slice->memory, (rows.count + 1) * sizeof(Row));
	for (int i = 0; i < rows.count; i++)
		rows.items[i] = (Row) {
			result_key(i), result_int64(i, 4, CHECKSUM_NONE), spi_result_int32(i, 5) != 0
		};
	SPI_freetuptable(SPI_tuptable);
	/* Last, so that it is known when a TRUNCATE is seen above. */
	slice->rebuild = is_to_be_replaced(slice->comparison->index);
	end_read(slice);
	return rows;
}

/* The documents of some ranges. */
static Documents
read_documents(const Slice *slice, const KeyRange *ranges, int count)
{
	Documents	documents = {0};
	int			found;

	do
	{
		CHECK_FOR_INTERRUPTS();
		documents.capacity += KEY_RANGE_PAGE;
		documents.items = documents.items == NULL ?
			palloc(documents.capacity * sizeof(Document)) :
			repalloc_huge(documents.items, documents.capacity * sizeof(Document));
		found = es_scan_documents(&slice->comparison->access, ranges, count,
									documents.count > 0 ? &documents.items[documents.count - 1] : NULL,
									documents.items + documents.count);
		documents.count += found;
		documents.capacity = documents.count;
	} while (found == KEY_RANGE_PAGE);
	return documents;
}

/*
 * The checksum of the document at *i with a key, and of no other with that
 * key; *i is moved past all of them.
 */
static int64
take_document(const Documents *documents, int *i, MessageKey key)
{
	int64		checksum = CHECKSUM_NONE;

	while (*i < documents->count && message_key_compare(documents->items[*i].key, key) == 0)
	{
		checksum = checksum == CHECKSUM_NONE ? documents->items[*i].checksum : CHECKSUM_UNKNOWN;
		(*i)++;
	}
	return checksum;
}

/* The keys of which rows and documents say different things, and that are not pending. */
static Suspects
find_suspects(const Slice *slice, const Rows *rows, const Documents *documents)
{
	Suspects	suspects = {palloc(((Size) rows->count + documents->count + 1) * sizeof(Suspect)), 0};
	int			row = 0;
	int			document = 0;

	while (row < rows->count || document < documents->count)
	{
		int			order = row == rows->count ? 1 : document == documents->count ? -1 :
			message_key_compare(rows->items[row].key, documents->items[document].key);
		Suspect		suspect = {.row = CHECKSUM_NONE};
		bool		pending = false;

		suspect.key = order <= 0 ? rows->items[row].key : documents->items[document].key;
		if (order <= 0)
		{
			suspect.row = rows->items[row].checksum;
			pending = rows->items[row].pending;
			row++;
		}
		else
			pending = slice->rebuild;
		suspect.document = take_document(documents, &document, suspect.key);
		if (!pending && suspect.row != suspect.document)
			suspects.items[suspects.count++] = suspect;
	}
	return suspects;
}

/* Keep those that are among others with the same key and row. */
static void
keep_common(Suspects *suspects, const Suspects *others, bool same_row)
{
	int			kept = 0;
	int			other = 0;

	for (int i = 0; i < suspects->count; i++)
	{
		Suspect		suspect = suspects->items[i];

		while (other < others->count &&
			   message_key_compare(others->items[other].key, suspect.key) < 0)
			other++;
		if (other < others->count &&
			message_key_compare(others->items[other].key, suspect.key) == 0 &&
			(!same_row || others->items[other].row == suspect.row))
			suspects->items[kept++] = suspect;
	}
	suspects->count = kept;
}

/*
 * The ranges, narrowed to the suspects in them. Returns their number.
 */
static int
narrow_ranges(const KeyRange *ranges, int count, const Suspects *suspects, KeyRange *narrowed)
{
	int			narrowed_count = 0;
	int			next = 0;

	for (int i = 0; i < count; i++)
	{
		int			first = next;

		while (next < suspects->count &&
			   message_key_compare(suspects->items[next].key, ranges[i].upto) <= 0)
			next++;
		if (next == first)
			continue;
		narrowed[narrowed_count] = (KeyRange) {suspects->items[first].key, suspects->items[next - 1].key};
		narrowed[narrowed_count++].from.number--;
	}
	return narrowed_count;
}

/* Report the suspects. */
static void
report(const Slice *slice, const Suspects *suspects)
{
	Difference *differences = palloc((suspects->count + 1) * sizeof(Difference));

	for (int i = 0; i < suspects->count; i++)
		differences[i] = (Difference) {
			suspects->items[i].key,
			suspects->items[i].row == CHECKSUM_NONE ? DIFFERENCE_SURPLUS :
			suspects->items[i].document == CHECKSUM_NONE ? DIFFERENCE_MISSING : DIFFERENCE_STALE
		};
	slice->comparison->report(differences, suspects->count, slice->comparison->context);
}

/* Compare the messages of ranges that seem to differ with their documents. */
static void
compare_messages(Slice *slice, const KeyRange *ranges, int count)
{
	KeyRange	narrowed[KEY_RANGES_MAX];
	Rows		rows = read_rows(slice, ranges, count);
	Documents	documents = read_documents(slice, ranges, count);
	Suspects	first_look = find_suspects(slice, &rows, &documents);
	Suspects	before;
	Suspects	after;

	count = narrow_ranges(ranges, count, &first_look, narrowed);
	if (count == 0)
		return;
	rows = read_rows(slice, narrowed, count);
	es_scan_refresh(&slice->comparison->access);
	documents = read_documents(slice, narrowed, count);
	before = find_suspects(slice, &rows, &documents);
	rows = read_rows(slice, narrowed, count);
	after = find_suspects(slice, &rows, &documents);

	keep_common(&after, &before, true);
	keep_common(&after, &first_look, false);
	if (after.count > 0)
		report(slice, &after);
}

/* Compare what was put aside. */
static void
compare_differing(Slice *slice)
{
	MemoryContext memory = slice->memory;

	if (slice->differing_count == 0)
		return;
	slice->memory = AllocSetContextCreate(memory, "pg_chat compared messages", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(slice->memory);
	compare_messages(slice, slice->differing, slice->differing_count);
	MemoryContextSwitchTo(memory);
	MemoryContextDelete(slice->memory);
	slice->memory = memory;
	slice->differing_count = 0;
	slice->differing_messages = 0;
}

/* Put aside the part of a bucket that is in the slice, to compare it in detail. */
static void
put_aside(Slice *slice, const Bucket *bucket, int64 messages)
{
	int64		low = Max(bucket->start - 1, PG_INT32_MIN);
	int64		high = Min(bucket->start + BUCKET_SIZE - 1, PG_INT32_MAX);
	KeyRange	range = {
		{bucket->application, bucket->chat, low}, {bucket->application, bucket->chat, high}
	};

	if (message_key_compare(range.from, slice->range.from) < 0)
		range.from = slice->range.from;
	if (message_key_compare(range.upto, slice->range.upto) > 0)
		range.upto = slice->range.upto;
	slice->differing[slice->differing_count++] = range;
	slice->differing_messages += messages;
	if (slice->differing_count == KEY_RANGES_MAX || slice->differing_messages >= COMPARED_MAX)
		compare_differing(slice);
}

static int
compare_keys(const Bucket *a, const Bucket *b)
{
	int			order = message_key_compare((MessageKey) {a->application, a->chat, 0},
											(MessageKey) {b->application, b->chat, 0});

	return order != 0 ? order : a->start < b->start ? -1 : a->start > b->start;
}

/*
 * Compare buckets of the index with those of the table, from *next on, which
 * is moved on: up to the last one of the index, or all if there are no more.
 */
static void
compare_buckets(Slice *slice, int *next, const Bucket *buckets, int count, bool is_end)
{
	int			i = 0;

	while (i < count || (is_end && *next < slice->count))
	{
		const Bucket *here = *next < slice->count ? &slice->buckets[*next] : NULL;
		const Bucket *there = i < count ? &buckets[i] : NULL;
		int			order = here == NULL ? 1 : there == NULL ? -1 : compare_keys(here, there);

		if (order < 0)
			put_aside(slice, here, here->count);
		else if (order > 0)
			put_aside(slice, there, there->count);
		else if (here->count != there->count || here->sum != there->sum)
			put_aside(slice, here, Max(here->count, there->count));
		*next += order <= 0;
		i += order >= 0;
	}
}

/*
 * Compare the next slice. Returns whether there is more to compare; position
 * and compared are moved on. Runs outside of a transaction if in_worker, else
 * connected to SPI, each statement with a snapshot of its own. Raises 58000 if
 * Elasticsearch cannot be read, 55000 if the index was replaced.
 */
bool
es_compare_slice(EsCompare *comparison)
{
	MemoryContext caller = CurrentMemoryContext;
	Slice	   *slice = palloc0(sizeof(Slice));
	Bucket	   *buckets;
	int			next = 0;
	int			count;
	bool		more;

	slice->comparison = comparison;
	slice->memory = AllocSetContextCreate(caller, "pg_chat slice", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(slice->memory);

	more = read_slice(slice);
	es_scan_refresh(&comparison->access);
	buckets = palloc(KEY_RANGE_PAGE * sizeof(Bucket));
	count = 0;
	do
	{
		Bucket		after = count > 0 ? buckets[count - 1] : (Bucket) {0};

		CHECK_FOR_INTERRUPTS();
		count = es_scan_buckets(&comparison->access, slice->range, count > 0 ? &after : NULL, buckets);
		compare_buckets(slice, &next, buckets, count, count < KEY_RANGE_PAGE);
	} while (count == KEY_RANGE_PAGE);
	compare_differing(slice);
	comparison->position = slice->range.upto;

	MemoryContextSwitchTo(caller);
	MemoryContextDelete(slice->memory);
	pfree(slice);
	return more;
}
