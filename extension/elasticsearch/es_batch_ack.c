/*
 * es_batch_ack.c
 *	  Recording the outcome of a batch in the tables, once searches find it.
 *
 * Watermarks are raised, and rows that are done are deleted from
 * chat_internal.search_queue. Messages that are to be tried again are left as
 * they are, and so read again. A message that Elasticsearch refused for good
 * has failed: it stays in the queue, with the reason.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"

#include "common/int_columns.h"
#include "common/spi_plan.h"
#include "common/tid_array.h"
#include "elasticsearch/es_batch_ack.h"

/*
 * The batches, of a list in the order in which they were read, that searches
 * find and that need not wait for others. Answers come in any order, but the
 * watermark of a chat is raised in the order in which its messages were read.
 */
List *
es_batches_to_acknowledge(List *batches)
{
	HASHCTL		control = {
		.keysize = sizeof(ChatKey),
		.entrysize = sizeof(ChatKey),
		.hcxt = CurrentMemoryContext
	};
	HTAB	   *unfinished = hash_create("pg_chat chats of unfinished batches", 64, &control,
										 HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	List	   *finished = NIL;
	ListCell   *cell;

	foreach(cell, batches)
	{
		EsBatch    *batch = lfirst(cell);
		bool		waits = !batch->refreshed;

		for (int i = 0; i < batch->ranges_count && !waits; i++)
			waits = hash_search(unfinished, &batch->ranges[i].chat, HASH_FIND, NULL) != NULL;
		if (!waits)
			finished = lappend(finished, batch);
		for (int i = 0; i < batch->ranges_count && waits; i++)
			hash_search(unfinished, &batch->ranges[i].chat, HASH_ENTER, NULL);
	}
	hash_destroy(unfinished);
	return finished;
}

/* The range of an appended item; NULL for one of the queue. */
static EsBatchRange *
range_of(const EsBatch *batch, const EsBatchItem *item)
{
	return item->range < 0 ? NULL : &batch->ranges[item->range];
}

/*
 * Cut ranges before the first of their messages that has to be tried again. The
 * reader looks at the chat again.
 */
static void
cut_ranges(EsBatchReader *reader, EsBatch *batch)
{
	for (int i = 0; i < batch->count; i++)
	{
		const EsBatchItem *item = &batch->items[i];
		EsBatchRange *range = range_of(batch, item);

		if (item->fate != FATE_AGAIN)
			continue;
		if (range == NULL)
			reader->queue_ended = false;
		else if (range->through >= item->key.number)
		{
			range->through = Max(item->key.number - 1, range->above);
			es_batch_reader_break_off(reader, range->chat);
		}
	}
}

/*
 * A watermark that is raised over ranges of one or more batches, each of which begins
 * where the one before it ends.
 */
typedef struct Raise
{
	ChatKey		chat;			/* the key of the hash table */
	int32		above;
	int32		through;
	bool		done;
} Raise;

/*
 * The watermarks to raise by the ranges of batches, which are in the order they were
 * read: a hash table by chat.
 */
static HTAB *
collect_raises(List *batches)
{
	HASHCTL		control = {.keysize = sizeof(ChatKey), .entrysize = sizeof(Raise), .hcxt = CurrentMemoryContext};
	HTAB	   *raises = hash_create("pg_chat watermarks to raise", 1024, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	ListCell   *cell;

	foreach(cell, batches)
	{
		EsBatch    *batch = lfirst(cell);

		for (int i = 0; i < batch->ranges_count; i++)
		{
			EsBatchRange *range = &batch->ranges[i];
			bool		found;
			Raise	   *raise;

			range->raised = false;
			/* A range that was cut to nothing was put off already. */
			if (range->through <= range->above)
				continue;
			raise = hash_search(raises, &range->chat, HASH_ENTER, &found);
			if (!found)
			{
				raise->above = range->above;
				raise->done = false;
			}
			if (!found || raise->through == range->above)
				raise->through = range->through;
		}
	}
	return raises;
}

/*
 * Lock the watermarks that stand where they are to be raised from, and mark them
 * done. One that somebody has locked is left: it is being deleted, most likely. Values
 * become the watermarks' ctids, and to what they are raised.
 */
static void
lock_watermarks(int32 index, HTAB *raises, Datum values[2])
{
	static SavedPlan plan = SAVED_PLAN(
		"SELECT k.item::int4, w.ctid"
		" FROM ROWS FROM (unnest($2), unnest($3), unnest($4))"
		" WITH ORDINALITY AS k (application_id, chat_number, above, item),"
		" LATERAL (SELECT w.ctid FROM chat_internal.search_watermarks AS w WHERE w.index_id = $1"
		" AND w.application_id = k.application_id AND w.chat_number = k.chat_number"
		" AND w.indexed_number = k.above FOR NO KEY UPDATE SKIP LOCKED) AS w",
		INT4OID, INT4ARRAYOID, INT4ARRAYOID, INT4ARRAYOID);
	int			count = hash_get_num_entries(raises);
	Raise	  **ordered = palloc(Max(count, 1) * sizeof(Raise *));
	Datum		arguments[4] = {Int32GetDatum(index)};
	IntColumns	columns;
	IntColumns	through;
	HASH_SEQ_STATUS sequence;
	Raise	   *raise;
	uint64		rows;

	int_columns_init(&columns, 3, count);
	hash_seq_init(&sequence, raises);
	while ((raise = hash_seq_search(&sequence)) != NULL)
	{
		ordered[columns.count] = raise;
		int_columns_append(&columns, (int32[]) {raise->chat.application, raise->chat.chat, raise->above});
	}
	int_columns_to_arrays(&columns, arguments + 1);
	rows = spi_plan_write(&plan, arguments, NULL);

	int_columns_init(&through, 1, rows);
	for (uint64 row = 0; row < rows; row++)
	{
		raise = ordered[spi_result_int32(row, spi_column("item")) - 1];
		raise->done = true;
		int_columns_append(&through, &raise->through);
	}
	values[0] = tid_array_of_result("ctid");
	int_columns_to_arrays(&through, &values[1]);
}

/* Mark the ranges of a batch whose watermarks were raised. Chats of the others are read again. */
static void
mark_raised(EsBatchReader *reader, EsBatch *batch, HTAB *raises)
{
	for (int i = 0; i < batch->ranges_count; i++)
	{
		EsBatchRange *range = &batch->ranges[i];
		const Raise *raise = hash_search(raises, &range->chat, HASH_FIND, NULL);

		range->raised = raise != NULL && raise->done && range->through > range->above &&
			range->above >= raise->above && range->through <= raise->through;
		if (!range->raised)
			es_batch_reader_break_off(reader, range->chat);
	}
}

/* Raise the watermarks to the ends of the ranges that begin where they stand, each once for all batches. */
static void
raise_watermarks(EsBatchReader *reader, List *batches)
{
	static SavedPlan plan = {
		.sql = "UPDATE chat_internal.search_watermarks AS w SET indexed_number = k.through"
		" FROM ROWS FROM (unnest($1), unnest($2)) AS k (tid, through) WHERE w.ctid = k.tid",
		.by_tid = true,
		.nargs = 2,
		.argtypes = {TIDARRAYOID, INT4ARRAYOID}
	};
	HTAB	   *raises = collect_raises(batches);
	Datum		values[2];
	ListCell   *cell;

	if (hash_get_num_entries(raises) > 0)
	{
		lock_watermarks(reader->index, raises, values);
		spi_plan_write(&plan, values, NULL);
	}
	foreach(cell, batches)
		mark_raised(reader, lfirst(cell), raises);
	hash_destroy(raises);
}

/*
 * Delete the rows of the queue that are done, and earlier failures of the same
 * messages. A row that another transaction has locked stays, and is processed
 * again.
 */
static void
dequeue(const EsBatchReader *reader, const EsBatch *batch)
{
	static SavedPlan lock = SAVED_PLAN(
		"SELECT q.ctid"
		" FROM ROWS FROM (unnest($2), unnest($3), unnest($4), unnest($5))"
		" AS k (application_id, chat_number, number, id),"
		" LATERAL (SELECT q.ctid FROM chat_internal.search_queue AS q WHERE q.index_id = $1"
		" AND q.application_id = k.application_id AND q.chat_number = k.chat_number AND q.number = k.number"
		" AND (q.id = k.id OR q.id < k.id AND q.reason IS NOT NULL) FOR UPDATE SKIP LOCKED) AS q",
		INT4OID, INT4ARRAYOID, INT4ARRAYOID, INT4ARRAYOID, INT8ARRAYOID);
	static SavedPlan delete = TID_ARRAY_PLAN("DELETE FROM chat_internal.search_queue WHERE ctid = ANY ($1)");
	Datum	   *ids = palloc(Max(batch->count, 1) * sizeof(Datum));
	MessageKey *keys = palloc(Max(batch->count, 1) * sizeof(MessageKey));
	Datum		values[5] = {Int32GetDatum(reader->index)};
	int			count = 0;

	for (int i = 0; i < batch->count; i++)
		if (batch->items[i].fate == FATE_DONE)
		{
			keys[count] = batch->items[i].key;
			ids[count++] = Int64GetDatum(batch->items[i].queue_id);
		}
	message_keys_to_arrays(keys, count, values + 1);
	values[4] = PointerGetDatum(construct_array(ids, count, INT8OID, sizeof(int64),
												FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	spi_plan_write(&lock, values, NULL);
	values[0] = tid_array_of_result("ctid");
	spi_plan_write(&delete, values, NULL);
}

/* Keep a refused message in the queue, with the reason. */
static void
keep_failed(const EsBatchReader *reader, const EsBatchItem *item)
{
	static SavedPlan queued = SAVED_PLAN(
		"UPDATE chat_internal.search_queue SET reason = $5 WHERE index_id = $1"
		" AND application_id = $2 AND chat_number = $3 AND number = $4 AND id = $6",
		INT4OID, INT4OID, INT4OID, INT4OID, TEXTOID, INT8OID);
	static SavedPlan appended = SAVED_PLAN(
		"INSERT INTO chat_internal.search_queue (index_id, application_id, chat_number, number, reason)"
		" VALUES ($1, $2, $3, $4, $5)",
		INT4OID, INT4OID, INT4OID, INT4OID, TEXTOID);
	Datum		values[6] = {
		Int32GetDatum(reader->index), Int32GetDatum(item->key.application),
		Int32GetDatum(item->key.chat), Int32GetDatum(item->key.number),
		CStringGetTextDatum(item->reason), Int64GetDatum(item->queue_id)
	};

	ereport(LOG,
			(errmsg("pg_chat: message %d of chat %d of application %d cannot be indexed: %s",
					item->key.number, item->key.chat, item->key.application, item->reason)));
	spi_plan_write(item->queue_id != 0 ? &queued : &appended, values, NULL);
}

/* Whether an item will not be read again: it is of the queue, or at or below the watermark now. */
static bool
is_behind(const EsBatch *batch, const EsBatchItem *item)
{
	const EsBatchRange *range = range_of(batch, item);

	return range == NULL || (range->raised && item->key.number <= range->through);
}

/* Record what became of each message of a batch, and return how many are done. */
static uint64
record_items(EsBatchReader *reader, const EsBatch *batch)
{
	uint64		done = 0;

	for (int i = 0; i < batch->count; i++)
	{
		const EsBatchItem *item = &batch->items[i];

		if (item->fate == FATE_FAILED && is_behind(batch, item))
			keep_failed(reader, item);
		else if (item->fate == FATE_DONE)
			done++;
	}
	if (batch->of_queue)
		dequeue(reader, batch);
	return done;
}

/*
 * Record what batches did, which searches find now; they are in the order they were
 * read. In a transaction; when that has committed, es_batch_reader_end_batch follows
 * for each; if it fails, the same batches may be acknowledged again. Returns the number
 * of messages that are done.
 */
uint64
es_batches_acknowledge(EsBatchReader *reader, List *batches)
{
	ListCell   *cell;
	uint64		done = 0;

	foreach(cell, batches)
		cut_ranges(reader, lfirst(cell));
	raise_watermarks(reader, batches);
	foreach(cell, batches)
		done += record_items(reader, lfirst(cell));
	return done;
}
