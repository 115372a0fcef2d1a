/*
 * es_batch_ack.c
 *	  What became of a batch, noted in the tables when searches find it.
 *
 * Watermarks are raised, and what is done is deleted from chat_internal.search_queue. What
 * has to be tried again is left as it is, and so read again; what Elasticsearch
 * refused for good is failed, which is to say that it stays in the queue, with
 * the reason.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "common/int_array.h"
#include "common/spi_plan.h"
#include "elasticsearch/es_batch_ack.h"

/*
 * Let segments end before the first of their messages that has to be tried
 * again; the chat is looked at again.
 */
static void
cut_segments(BatchReader *feed, EsBatch *batch)
{
	for (int i = 0; i < batch->count; i++)
	{
		const EsBatchItem *entry = &batch->entries[i];
		EsBatchSegment    *segment = &batch->segments[Max(entry->segment, 0)];

		if (entry->fate != FATE_AGAIN)
			continue;
		if (entry->segment < 0)
			feed->queue_ended = false;
		else if (segment->upto >= entry->key.number)
		{
			segment->upto = Max(entry->key.number - 1, segment->from);
			batch_reader_break_off(feed, segment->chat);
		}
	}
}

/*
 * Raise the watermarks to the ends of the segments, of chats whose watermark
 * is where the segment begins. One that somebody has locked is left: it is
 * being deleted, most likely.
 */
static void
raise_watermarks(BatchReader *feed, EsBatch *batch)
{
	static SavedPlan lock = SAVED_PLAN(
		"SELECT k.item::pg_catalog.int4, i.ctid"
		" FROM ROWS FROM (pg_catalog.unnest($2), pg_catalog.unnest($3), pg_catalog.unnest($4))"
		" WITH ORDINALITY AS k (application_id, chat_number, from_number, item),"
		" LATERAL (SELECT ctid FROM chat_internal.search_watermarks WHERE index_id OPERATOR(pg_catalog.=) $1"
		" AND application_id OPERATOR(pg_catalog.=) k.application_id"
		" AND chat_number OPERATOR(pg_catalog.=) k.chat_number"
		" AND indexed_number OPERATOR(pg_catalog.=) k.from_number FOR NO KEY UPDATE SKIP LOCKED) AS i",
		INT4OID, INT4ARRAYOID, INT4ARRAYOID, INT4ARRAYOID);
	static SavedPlan update = {
		.sql = "UPDATE chat_internal.search_watermarks AS i SET indexed_number = k.upto"
		" FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2)) AS k (tid, upto)"
		" WHERE i.ctid OPERATOR(pg_catalog.=) k.tid",
		.by_tid = true,
		.nargs = 2,
		.argtypes = {TIDARRAYOID, INT4ARRAYOID}
	};
	Int32Array	columns[3];
	Int32Array	upto;
	Datum	   *tids;
	Datum		values[4] = {Int32GetDatum(feed->index)};
	uint64		rows;

	if (batch->segments_count == 0)
		return;
	for (int i = 0; i < 3; i++)
		int32_array_init(&columns[i], batch->segments_count);
	for (int i = 0; i < batch->segments_count; i++)
	{
		/* What was cut to nothing cannot be found; it was put off already. */
		int32_array_append(&columns[0], batch->segments[i].chat.application);
		int32_array_append(&columns[1], batch->segments[i].chat.chat);
		int32_array_append(&columns[2], batch->segments[i].upto > batch->segments[i].from ? batch->segments[i].from : -1);
	}
	for (int i = 0; i < 3; i++)
		values[i + 1] = int32_array_datum(&columns[i]);
	rows = spi_plan_write(&lock, values, NULL);
	tids = palloc((rows + 1) * sizeof(Datum));
	int32_array_init(&upto, rows);
	for (uint64 row = 0; row < rows; row++)
	{
		int			segment = spi_result_int32(row, 1) - 1;

		batch->segments[segment].raised = true;
		tids[row] = spi_result(row, 2, TIDOID, NULL);
		int32_array_append(&upto, batch->segments[segment].upto);
	}
	values[0] = PointerGetDatum(construct_array(tids, rows, TIDOID, sizeof(ItemPointerData),
												false, TYPALIGN_SHORT));
	values[1] = int32_array_datum(&upto);
	spi_plan_write(&update, values, NULL);

	for (int i = 0; i < batch->segments_count; i++)
		if (!batch->segments[i].raised)
			batch_reader_break_off(feed, batch->segments[i].chat);
}

/*
 * Delete the rows of the queue that are done, and what was failed of the same
 * messages before.
 */
static void
dequeue(const BatchReader *feed, const EsBatch *batch)
{
	static SavedPlan plan = SAVED_PLAN(
		"DELETE FROM chat_internal.search_queue AS q"
		" USING ROWS FROM (pg_catalog.unnest($2), pg_catalog.unnest($3), pg_catalog.unnest($4), pg_catalog.unnest($5))"
		" AS k (id, application_id, chat_number, number)"
		" WHERE q.index_id OPERATOR(pg_catalog.=) $1"
		" AND q.application_id OPERATOR(pg_catalog.=) k.application_id"
		" AND q.chat_number OPERATOR(pg_catalog.=) k.chat_number"
		" AND q.number OPERATOR(pg_catalog.=) k.number"
		" AND (q.id OPERATOR(pg_catalog.=) k.id"
		" OR q.id OPERATOR(pg_catalog.<) k.id AND q.reason IS NOT NULL)",
		INT4OID, INT8ARRAYOID, INT4ARRAYOID, INT4ARRAYOID, INT4ARRAYOID);
	Datum	   *ids = palloc((batch->count + 1) * sizeof(Datum));
	Int32Array	columns[3];
	Datum		values[5] = {Int32GetDatum(feed->index)};
	int			count = 0;

	for (int i = 0; i < 3; i++)
		int32_array_init(&columns[i], batch->count);
	for (int i = 0; i < batch->count; i++)
	{
		const EsBatchItem *entry = &batch->entries[i];

		if (entry->fate != FATE_DONE)
			continue;
		ids[count++] = Int64GetDatum(entry->queue_id);
		int32_array_append(&columns[0], entry->key.application);
		int32_array_append(&columns[1], entry->key.chat);
		int32_array_append(&columns[2], entry->key.number);
	}
	values[1] = PointerGetDatum(construct_array(ids, count, INT8OID, sizeof(int64),
												FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	for (int i = 0; i < 3; i++)
		values[i + 2] = int32_array_datum(&columns[i]);
	spi_plan_write(&plan, values, NULL);
}

/* Park a message that Elasticsearch refused. */
static void
park(BatchReader *feed, const EsBatchItem *entry)
{
	static SavedPlan park_queued = SAVED_PLAN(
		"UPDATE chat_internal.search_queue SET reason = $2 WHERE id OPERATOR(pg_catalog.=) $1",
		INT8OID, TEXTOID);
	static SavedPlan park_appended = SAVED_PLAN(
		"INSERT INTO chat_internal.search_queue (index_id, application_id, chat_number, number, reason)"
		" VALUES ($1, $2, $3, $4, $5)",
		INT4OID, INT4OID, INT4OID, INT4OID, TEXTOID);

	ereport(LOG,
			(errmsg("pg_chat: message %d of chat %d of application %d cannot be indexed, and is failed: %s",
					entry->key.number, entry->key.chat, entry->key.application, entry->reason)));
	if (entry->queue_id != 0)
	{
		Datum		values[2] = {Int64GetDatum(entry->queue_id), CStringGetTextDatum(entry->reason)};

		spi_plan_write(&park_queued, values, NULL);
	}
	else
	{
		Datum		values[5] = {
			Int32GetDatum(feed->index), Int32GetDatum(entry->key.application),
			Int32GetDatum(entry->key.chat), Int32GetDatum(entry->key.number),
			CStringGetTextDatum(entry->reason)
		};

		spi_plan_write(&park_appended, values, NULL);
	}
}

/* Whether an entry is not read again: it is of the queue, or below the watermark now. */
static bool
is_behind(const EsBatch *batch, const EsBatchItem *entry)
{
	const EsBatchSegment *segment = &batch->segments[Max(entry->segment, 0)];

	return entry->segment < 0 || (segment->raised && entry->key.number <= segment->upto);
}

/*
 * Note what a batch did, which searches find now. In a transaction; when that
 * has committed, batch_reader_forget follows. Returns the number of messages that are
 * done.
 */
uint64
es_batch_acknowledge(BatchReader *feed, EsBatch *batch)
{
	uint64		done = 0;

	cut_segments(feed, batch);
	raise_watermarks(feed, batch);
	for (int i = 0; i < batch->count; i++)
	{
		const EsBatchItem *entry = &batch->entries[i];

		if (entry->fate == FATE_PARKED && is_behind(batch, entry))
			park(feed, entry);
		else if (entry->fate == FATE_DONE)
			done++;
	}
	if (batch->of_queue)
		dequeue(feed, batch);
	return done;
}
