/*
 * es_batch.c
 *	  What an index is fed with, read from the tables in batches.
 *
 * There are two kinds of batches. One has what was appended: of some chats, the
 * messages above the watermark. Numbers are given in commit order, so what is
 * above a number that was read is all that was not. The other has the next rows
 * of chat_internal.search_queue, each with the message as it is now, or its absence.
 *
 * Batches of a chat may be under way one behind the other. Its watermark is
 * raised only from where the batch began: so if one fails, those behind it have
 * no effect. What happened to the chat meanwhile is seen by that, too: a chat
 * that is deleted loses its watermark, and gets another, of 0, only when none
 * of its batches is under way. How a batch ends: see es_batch_ack.c.
 *
 * All that is kept here may be lost: the tables say what is missing.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "access/xlog_internal.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "bgworker/worker_xact.h"
#include "common/http_client.h"
#include "common/int_array.h"
#include "common/spi_plan.h"
#include "elasticsearch/es_batch.h"
#include "elasticsearch/es_document.h"

/* Chats that wait to be looked at, and those that one batch looks at. */
#define CHATS_CAPACITY 16384
#define CHATS_IN_BATCH 500

/* Chats that a scan looks at in one transaction. */
#define CHATS_IN_SCAN 5000

/* A body is sent once it has so many bytes. */
#define BODY_BYTES (2 * 1024 * 1024)

/* A message that is longer is failed: only who inserts directly can have written it. */
#define MESSAGE_BYTES_MAX (16 * 1024 * 1024)

/* How far a chat was sent. */
typedef struct InFlight
{
	ChatKey chat;			/* the key */
	int32		upto;
	int			batches;
	bool		broken;			/* one failed: those behind it have no effect */
} InFlight;

/* A chat, while a batch is read. */
typedef struct Candidate
{
	ChatKey chat;
	int32		last_number;
	int32		messages_count;
	int32		from;			/* read above it */
	bool		known;			/* the chat exists, and has a watermark */
	bool		sent_before;	/* from is what is under way, not the watermark */
} Candidate;

static void
make_in_flight(BatchReader *feed)
{
	HASHCTL		control = {
		.keysize = sizeof(ChatKey),
		.entrysize = sizeof(InFlight),
		.hcxt = TopMemoryContext
	};

	feed->in_flight = hash_create("pg_chat chats in flight", 64, &control,
								  HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/*
 * A feed of an index. It begins with a look at all chats.
 */
BatchReader *
batch_reader_create(int32 index, const char *name)
{
	BatchReader	   *feed = MemoryContextAllocZero(TopMemoryContext, sizeof(BatchReader));

	feed->index = index;
	strlcpy(feed->name, name, sizeof(feed->name));
	feed->chats = chat_key_queue_create(CHATS_CAPACITY);
	feed->later = chat_key_queue_create(CHATS_CAPACITY);
	make_in_flight(feed);
	feed->scanning = true;
	feed->batch_size = FEED_BATCH_SIZE;
	return feed;
}

void
batch_reader_free(BatchReader *feed)
{
	batch_reader_reset(feed);
	chat_key_queue_free(feed->chats);
	chat_key_queue_free(feed->later);
	hash_destroy(feed->in_flight);
	pfree(feed);
}

/* Look at all chats; those that a scan under way has passed, after it. */
static void
scan(BatchReader *feed)
{
	if (feed->scanning)
		feed->scan_again = true;
	else
		feed->scan_position = (ChatKey) {0, 0};
	feed->scanning = true;
}

static void
look_at(BatchReader *feed, ChatKey chat)
{
	if (!chat_key_queue_add(feed->chats, chat))
		scan(feed);
}

/* Have a chat looked at after a while. */
static void
put_off(BatchReader *feed, ChatKey chat)
{
	if (!chat_key_queue_add(feed->later, chat))
		scan(feed);
}

/*
 * Have chats looked at, or all of them.
 */
void
batch_reader_look_at(BatchReader *feed, const ChatKey *chats, int count, bool all)
{
	for (int i = 0; i < count; i++)
		if (chats[i].chat != 0)
			look_at(feed, chats[i]);
	if (all)
		scan(feed);
	feed->queue_ended = false;
}

/* Have the chats looked at again that were put off, and the queue. */
void
batch_reader_look_again(BatchReader *feed)
{
	ChatKey chat;

	while (chat_key_queue_take(feed->later, &chat))
		look_at(feed, chat);
	feed->queue_ended = false;
}

/* Requests that are under way with batches. */
int
batch_reader_requests(const BatchReader *feed)
{
	ListCell   *cell;
	int			count = 0;

	foreach(cell, feed->batches)
		count += ((EsBatch *) lfirst(cell))->request != NULL;
	return count;
}

/* Values of a statement over candidates: application_id, chat_number. */
static void
candidate_keys(const Candidate *candidates, int count, Datum *values)
{
	Int32Array	columns[2];

	for (int i = 0; i < 2; i++)
		int32_array_init(&columns[i], count);
	for (int i = 0; i < count; i++)
	{
		int32_array_append(&columns[0], candidates[i].chat.application);
		int32_array_append(&columns[1], candidates[i].chat.chat);
	}
	for (int i = 0; i < 2; i++)
		values[i] = int32_array_datum(&columns[i]);
}

/*
 * Look up where candidates stand. One whose chat is gone stays unknown; one
 * without a watermark does, too, with last_number set.
 */
static void
look_up(BatchReader *feed, Candidate *candidates, int count)
{
	static SavedPlan plan = SAVED_PLAN(
		"SELECT k.item::pg_catalog.int4, c.last_message_number, i.indexed_number, c.messages_count"
		" FROM ROWS FROM (pg_catalog.unnest($2), pg_catalog.unnest($3))"
		" WITH ORDINALITY AS k (application_id, number, item)"
		" JOIN LATERAL (SELECT last_message_number, messages_count FROM chat.chats"
		" WHERE application_id OPERATOR(pg_catalog.=) k.application_id"
		" AND number OPERATOR(pg_catalog.=) k.number OFFSET 0) AS c ON true"
		" LEFT JOIN LATERAL (SELECT indexed_number FROM chat_internal.search_watermarks"
		" WHERE index_id OPERATOR(pg_catalog.=) $1"
		" AND application_id OPERATOR(pg_catalog.=) k.application_id"
		" AND chat_number OPERATOR(pg_catalog.=) k.number OFFSET 0) AS i ON true",
		INT4OID, INT4ARRAYOID, INT4ARRAYOID);
	Datum		values[3] = {Int32GetDatum(feed->index)};
	uint64		rows;

	candidate_keys(candidates, count, values + 1);
	for (int i = 0; i < count; i++)
	{
		candidates[i].known = false;
		candidates[i].last_number = 0;
	}
	rows = spi_plan_write(&plan, values, NULL);
	for (uint64 row = 0; row < rows; row++)
	{
		Candidate  *candidate = &candidates[spi_result_int32(row, 1) - 1];
		bool		isnull;
		Datum		indexed = spi_result(row, 3, INT4OID, &isnull);

		candidate->last_number = spi_result_int32(row, 2);
		candidate->messages_count = spi_result_int32(row, 4);
		candidate->known = candidate->sent_before || !isnull;
		if (!candidate->sent_before && !isnull)
			candidate->from = DatumGetInt32(indexed);
	}
}

/*
 * Give candidates a watermark of 0 that have none. The chat's row is locked, so
 * that one that is being deleted gets none, and last_number is not lowered
 * before this transaction ends. Returns whether there were any.
 */
static bool
adopt(BatchReader *feed, const Candidate *candidates, int count)
{
	static SavedPlan plan = SAVED_PLAN(
		"INSERT INTO chat_internal.search_watermarks (index_id, application_id, chat_number, indexed_number)"
		" SELECT $1, c.application_id, c.number, 0"
		" FROM ROWS FROM (pg_catalog.unnest($2), pg_catalog.unnest($3)) AS k (application_id, number),"
		" LATERAL (SELECT application_id, number FROM chat.chats"
		" WHERE application_id OPERATOR(pg_catalog.=) k.application_id"
		" AND number OPERATOR(pg_catalog.=) k.number FOR KEY SHARE SKIP LOCKED) AS c"
		" ON CONFLICT DO NOTHING",
		INT4OID, INT4ARRAYOID, INT4ARRAYOID);
	Candidate  *fresh = palloc((count + 1) * sizeof(Candidate));
	Datum		values[3] = {Int32GetDatum(feed->index)};
	int			fresh_count = 0;

	for (int i = 0; i < count; i++)
		if (!candidates[i].known && candidates[i].last_number > 0)
			fresh[fresh_count++] = candidates[i];
	if (fresh_count == 0)
		return false;
	candidate_keys(fresh, fresh_count, values + 1);
	return spi_plan_write(&plan, values, NULL) > 0;
}

/*
 * Delete watermarks above their chat's last number. The triggers leave none;
 * where they were off, nobody knows which messages these were.
 */
static void
drop_too_high(BatchReader *feed, const Candidate *candidates, int count)
{
	static SavedPlan plan = SAVED_PLAN(
		"DELETE FROM chat_internal.search_watermarks AS i"
		" USING ROWS FROM (pg_catalog.unnest($2), pg_catalog.unnest($3)) AS k (application_id, number),"
		" LATERAL (SELECT last_message_number FROM chat.chats"
		" WHERE application_id OPERATOR(pg_catalog.=) k.application_id"
		" AND number OPERATOR(pg_catalog.=) k.number OFFSET 0) AS c"
		" WHERE i.index_id OPERATOR(pg_catalog.=) $1"
		" AND i.application_id OPERATOR(pg_catalog.=) k.application_id"
		" AND i.chat_number OPERATOR(pg_catalog.=) k.number"
		" AND i.indexed_number OPERATOR(pg_catalog.>) c.last_message_number",
		INT4OID, INT4ARRAYOID, INT4ARRAYOID);
	Datum		values[3] = {Int32GetDatum(feed->index)};
	bool		any = false;

	for (int i = 0; i < count; i++)
		any |= candidates[i].known && candidates[i].last_number < candidates[i].from;
	if (!any)
		return;
	candidate_keys(candidates, count, values + 1);
	spi_plan_write(&plan, values, NULL);
	scan(feed);
}

/* Take the next chats to look at, and find where they stand. */
static int
next_candidates(BatchReader *feed, Candidate *candidates)
{
	ChatKey chat;
	int			count = 0;
	int			known = 0;

	while (count < CHATS_IN_BATCH && chat_key_queue_take(feed->chats, &chat))
	{
		InFlight   *sent = hash_search(feed->in_flight, &chat, HASH_FIND, NULL);

		if (sent != NULL && sent->broken)
			put_off(feed, chat);
		else
			candidates[count++] = (Candidate) {
				.chat = chat,
				.from = sent == NULL ? 0 : sent->upto,
				.sent_before = sent != NULL
			};
	}
	if (count == 0)
		return 0;
	look_up(feed, candidates, count);
	if (adopt(feed, candidates, count))
		look_up(feed, candidates, count);
	drop_too_high(feed, candidates, count);

	for (int i = 0; i < count; i++)
	{
		Candidate	candidate = candidates[i];

		if (candidate.known && candidate.last_number > candidate.from)
			candidates[known++] = candidate;
		else if (!candidate.known && candidate.last_number > 0)
			put_off(feed, candidate.chat);
	}
	return known;
}

/* Find chats that lag, among the next of all. */
static void
scan_some(BatchReader *feed)
{
	static SavedPlan plan = SAVED_PLAN(
		"SELECT c.application_id, c.number,"
		" (c.last_message_number OPERATOR(pg_catalog.<>) COALESCE(i.indexed_number, 0))::pg_catalog.int4"
		" FROM (SELECT application_id, number, last_message_number FROM chat.chats"
		" WHERE (application_id, number) OPERATOR(pg_catalog.>) ($2, $3)"
		" ORDER BY application_id, number LIMIT $4) AS c"
		" LEFT JOIN LATERAL (SELECT indexed_number FROM chat_internal.search_watermarks"
		" WHERE index_id OPERATOR(pg_catalog.=) $1"
		" AND application_id OPERATOR(pg_catalog.=) c.application_id"
		" AND chat_number OPERATOR(pg_catalog.=) c.number OFFSET 0) AS i ON true"
		" ORDER BY c.application_id, c.number",
		INT4OID, INT4OID, INT4OID, INT8OID);
	Datum		values[4] = {
		Int32GetDatum(feed->index), Int32GetDatum(feed->scan_position.application),
		Int32GetDatum(feed->scan_position.chat), Int64GetDatum(CHATS_IN_SCAN)
	};
	uint64		rows = spi_plan_write(&plan, values, NULL);

	for (uint64 row = 0; row < rows; row++)
	{
		ChatKey chat = {spi_result_int32(row, 1), spi_result_int32(row, 2)};

		if (spi_result_int32(row, 3) != 0 && !chat_key_queue_add(feed->chats, chat))
			return;				/* goes on from here when there is room */
		feed->scan_position = chat;
	}
	if (rows < CHATS_IN_SCAN)
	{
		feed->scanning = feed->scan_again;
		feed->scan_again = false;
		feed->scan_position = (ChatKey) {0, 0};
	}
}

static EsBatch *
create_batch(BatchReader *feed)
{
	MemoryContext context = AllocSetContextCreate(TopMemoryContext, "pg_chat batch",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);
	EsBatch	   *batch = palloc0(sizeof(EsBatch));

	batch->context = context;
	batch->entries = palloc((feed->batch_size + 1) * sizeof(EsBatchItem));
	batch->segments = palloc((CHATS_IN_BATCH + 1) * sizeof(EsBatchSegment));
	MemoryContextSwitchTo(http_context());
	batch->body = makeStringInfo();
	MemoryContextSwitchTo(caller);
	return batch;
}

static void
free_batch(EsBatch *batch)
{
	if (batch->request != NULL)
		http_end(batch->request);
	http_free_body(batch->body);
	MemoryContextDelete(batch->context);
}

static bool
is_full(const BatchReader *feed, const EsBatch *batch)
{
	return batch->count == feed->batch_size || batch->body->len >= BODY_BYTES;
}

static EsBatchItem *
add_entry(EsBatch *batch, MessageKey key)
{
	EsBatchItem	   *entry = &batch->entries[batch->count++];

	memset(entry, 0, sizeof(EsBatchItem));
	entry->key = key;
	entry->segment = -1;
	return entry;
}

static void
append_message(EsBatch *batch, EsBatchItem *entry, const text *body, int64 version)
{
	MemoryContext scratch;
	MemoryContext caller;

	if (VARSIZE_ANY_EXHDR(body) > MESSAGE_BYTES_MAX)
	{
		entry->fate = FATE_PARKED;
		entry->reason = "its body is too long";
		return;
	}
	scratch = AllocSetContextCreate(CurrentMemoryContext, "pg_chat document", ALLOCSET_SMALL_SIZES);
	caller = MemoryContextSwitchTo(scratch);
	entry->sent = es_document_append(batch->body, entry->key, body, version);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(scratch);
	if (!entry->sent)
	{
		entry->fate = FATE_PARKED;
		entry->reason = "its body is not UTF-8";
	}
}

/* Add the segment of a candidate, as far as it was read. */
static void
add_segment(EsBatch *batch, const Candidate *candidate, int32 upto)
{
	batch->segments[batch->segments_count++] = (EsBatchSegment) {
		.chat = candidate->chat, .from = candidate->from, .upto = upto
	};
}

/*
 * Read the messages of candidates into a batch, until it is full. Candidates
 * that are left are looked at again.
 */
static void
read_messages(BatchReader *feed, EsBatch *batch, const Candidate *candidates, int count, int64 version)
{
	static SavedPlan plan = SAVED_PLAN(
		"SELECT k.item::pg_catalog.int4, m.number, m.body"
		" FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2), pg_catalog.unnest($3))"
		" WITH ORDINALITY AS k (application_id, chat_number, from_number, item),"
		" LATERAL (SELECT number, body FROM chat.messages"
		" WHERE application_id OPERATOR(pg_catalog.=) k.application_id"
		" AND chat_number OPERATOR(pg_catalog.=) k.chat_number"
		" AND number OPERATOR(pg_catalog.>) k.from_number ORDER BY number LIMIT $4) AS m LIMIT $4",
		INT4ARRAYOID, INT4ARRAYOID, INT4ARRAYOID, INT8OID);
	Int32Array	from;
	Datum		values[4];
	uint64		rows;
	uint64		row = 0;
	bool		all;

	int32_array_init(&from, count);
	for (int i = 0; i < count; i++)
		int32_array_append(&from, candidates[i].from);
	candidate_keys(candidates, count, values);
	values[2] = int32_array_datum(&from);
	values[3] = Int64GetDatum(feed->batch_size);
	rows = spi_plan_write(&plan, values, NULL);
	all = rows < feed->batch_size;

	for (int i = 0; i < count; i++)
	{
		const Candidate *candidate = &candidates[i];
		int32		upto = candidate->from;
		bool		whole;

		while (row < rows && spi_result_int32(row, 1) == i + 1 && !is_full(feed, batch))
		{
			EsBatchItem	   *entry;

			upto = spi_result_int32(row, 2);
			entry = add_entry(batch, (MessageKey) {candidate->chat.application, candidate->chat.chat, upto});
			entry->segment = batch->segments_count;
			append_message(batch, entry, spi_result_text(row, 3, NULL), version);
			row++;
		}
		whole = row < rows ? spi_result_int32(row, 1) > i + 1 : all;

		/*
		 * A whole chat is done up to its last number, whose message may be gone.
		 * But messages that a restore has yet to load, without triggers, are
		 * waited for.
		 */
		if (!whole)
			look_at(feed, candidate->chat);
		else if (upto > 0 || candidate->messages_count == 0)
			upto = Max(upto, candidate->last_number);
		else
			put_off(feed, candidate->chat);
		if (upto > candidate->from)
			add_segment(batch, candidate, upto);
	}
}

/* Note how far the chats of a batch are sent. */
static void
note_in_flight(BatchReader *feed, const EsBatch *batch)
{
	for (int i = 0; i < batch->segments_count; i++)
	{
		bool		found;
		InFlight   *sent = hash_search(feed->in_flight, &batch->segments[i].chat, HASH_ENTER, &found);

		if (!found)
		{
			sent->batches = 0;
			sent->broken = false;
		}
		sent->batches++;
		sent->upto = batch->segments[i].upto;
	}
}

/* Read what was appended. In a transaction. */
static void
read_appended(BatchReader *feed, EsBatch *batch, int64 version)
{
	Candidate  *candidates = palloc(CHATS_IN_BATCH * sizeof(Candidate));
	int			count;

	if (feed->scanning && chat_key_queue_count(feed->chats) < CHATS_IN_BATCH)
		scan_some(feed);
	count = next_candidates(feed, candidates);
	if (count == 0)
		return;
	read_messages(feed, batch, candidates, count, version);
	note_in_flight(feed, batch);
}

/* Read the next rows of the queue. In a transaction. */
static void
read_queue(BatchReader *feed, EsBatch *batch, int64 version)
{
	static SavedPlan plan = SAVED_PLAN(
		"SELECT q.application_id, q.chat_number, q.number, q.id, m.body"
		" FROM (SELECT * FROM chat_internal.search_queue WHERE index_id OPERATOR(pg_catalog.=) $1 AND reason IS NULL"
		" ORDER BY id LIMIT $2) AS q"
		" LEFT JOIN LATERAL (SELECT body FROM chat.messages"
		" WHERE application_id OPERATOR(pg_catalog.=) q.application_id"
		" AND chat_number OPERATOR(pg_catalog.=) q.chat_number"
		" AND number OPERATOR(pg_catalog.=) q.number OFFSET 0) AS m ON true",
		INT4OID, INT8OID);
	Datum		values[2] = {Int32GetDatum(feed->index), Int64GetDatum(feed->batch_size)};
	uint64		rows = spi_plan_write(&plan, values, NULL);

	batch->of_queue = rows > 0;
	for (uint64 row = 0; row < rows && !is_full(feed, batch); row++)
	{
		EsBatchItem	   *entry = add_entry(batch, (MessageKey) {
			spi_result_int32(row, 1), spi_result_int32(row, 2), spi_result_int32(row, 3)
		});
		bool		is_gone;
		text	   *body = spi_result_text(row, 5, &is_gone);

		entry->queue_id = spi_result_int64(row, 4);
		if (!is_gone)
			append_message(batch, entry, body, version);
		else
		{
			es_document_append_deletion(batch->body, entry->key, version);
			entry->sent = true;
		}
	}
	feed->queue_ended = rows < feed->batch_size && batch->count == rows;
	feed->queue_in_flight = batch->count > 0;
}

/*
 * What was read must not be lost in a crash, as what was committed
 * asynchronously may be: the index would have it, and nothing would tell that
 * PostgreSQL has not.
 */
static void
flush_wal(void)
{
	XLogRecPtr	end = GetXLogInsertRecPtr();

	/* Where the next record begins; behind the header of a page that is not there yet. */
	if (XLogSegmentOffset(end, wal_segment_size) == SizeOfXLogLongPHD)
		end -= SizeOfXLogLongPHD;
	else if (end % XLOG_BLCKSZ == SizeOfXLogShortPHD)
		end -= SizeOfXLogShortPHD;
	XLogFlush(end);
}

/* Fill a batch, or leave it empty if there is nothing to read now. */
static void
fill_batch(BatchReader *feed, EsBatch *batch, int64 version)
{
	worker_xact_begin("reading what is to be indexed");
	if (!feed->queue_ended && !feed->queue_in_flight)
		read_queue(feed, batch, version);
	if (batch->count == 0)
		read_appended(feed, batch, version);
	worker_xact_commit();
	flush_wal();
}

/*
 * Read the next batch, whose documents get the version. Of the queue there is
 * only one at a time under way. Returns NULL if there is nothing to read now.
 */
EsBatch *
batch_reader_read(BatchReader *feed, int64 version)
{
	EsBatch	   *batch;
	MemoryContext caller;

	if (!feed->scanning && chat_key_queue_count(feed->chats) == 0 &&
		(feed->queue_ended || feed->queue_in_flight))
	{
		feed->caught_up = true;
		return NULL;
	}

	/* Entered in the list at once: after an error, batch_reader_reset finds it there. */
	batch = create_batch(feed);
	caller = MemoryContextSwitchTo(TopMemoryContext);
	feed->batches = lappend(feed->batches, batch);
	MemoryContextSwitchTo(caller);
	fill_batch(feed, batch, version);

	if (batch->count == 0 && batch->segments_count == 0)
	{
		batch_reader_forget(feed, batch);
		feed->caught_up |= !feed->scanning && feed->queue_ended && chat_key_queue_count(feed->chats) == 0;
		return NULL;
	}
	if (batch->body->len == 0)
	{
		http_free_body(batch->body);
		batch->body = NULL;
		batch->acknowledged = true;
	}
	return batch;
}

/* What is under way of a chat has no effect; it is read again when that is over. */
void
batch_reader_break_off(BatchReader *feed, ChatKey chat)
{
	InFlight   *sent = hash_search(feed->in_flight, &chat, HASH_FIND, NULL);

	if (sent != NULL)
		sent->broken = true;
	put_off(feed, chat);
}

/* A batch is not under way any more: its chats are not, as far as it goes. */
static void
land(BatchReader *feed, const EsBatch *batch)
{
	for (int i = 0; i < batch->segments_count; i++)
	{
		InFlight   *sent = hash_search(feed->in_flight, &batch->segments[i].chat, HASH_FIND, NULL);

		if (sent != NULL && --sent->batches == 0)
			hash_search(feed->in_flight, sent, HASH_REMOVE, NULL);
	}
	if (batch->of_queue)
		feed->queue_in_flight = false;
}

/* A batch is over. */
void
batch_reader_forget(BatchReader *feed, EsBatch *batch)
{
	land(feed, batch);
	feed->batches = list_delete_ptr(feed->batches, batch);
	free_batch(batch);
}

/* End the requests for a refresh that are under way, if any. */
void
batch_reader_end_refresh(BatchReader *feed)
{
	if (feed->refresh != NULL)
		http_end(feed->refresh);
	feed->refresh = NULL;
	if (feed->operations != NULL)
		http_end(feed->operations);
	feed->operations = NULL;
}

/*
 * Forget all batches, whatever became of them, and look at all chats again.
 * Requests that are under way end.
 */
void
batch_reader_reset(BatchReader *feed)
{
	while (feed->batches != NIL)
		batch_reader_forget(feed, linitial(feed->batches));
	batch_reader_end_refresh(feed);
	scan(feed);
	feed->caught_up = false;
	hash_destroy(feed->in_flight);
	make_in_flight(feed);
	feed->queue_in_flight = false;
	feed->queue_ended = false;
}
