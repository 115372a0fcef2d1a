/*
 * es_batch_reader.c
 *	  Reading from the tables the messages that an index lacks.
 *
 * Several batches of a chat may be under way, one after the other. The
 * watermark of the chat is raised only from the number at which a batch began:
 * so if one fails, those after it have no effect. The same detects a change of
 * the chat in between: a chat that is deleted loses its watermark, and gets
 * another, of 0, only when none of its batches is under way. es_batch_ack.c
 * ends a batch.
 *
 * For the same reason a watermark need not be read again as long as the chat has
 * more than was read: what was recorded last is kept in mind. If somebody else has
 * changed it, the next batch has no effect, and it is read then.
 *
 * Of the queue there is only one batch at a time under way.
 *
 * All state that is kept here may be lost: the tables tell what is missing.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "access/xlog_internal.h"
#include "catalog/pg_type.h"
#include "utils/memutils.h"

#include "bgworker/worker_xact.h"
#include "common/spi_plan.h"
#include "elasticsearch/es_appended.h"
#include "elasticsearch/es_batch_reader.h"

/* The most chats that wait to be looked at. */
#define CHATS_CAPACITY 16384

/* The most chats that a scan looks at in one transaction. */
#define CHATS_IN_SCAN 5000

/* Chats whose watermarks are kept in mind. */
#define WATERMARKS_KEPT 16384

/* Through which number a chat was read. */
typedef struct UnderWay
{
	ChatKey		chat;			/* the key */
	int32		through;
	int			batches;		/* 0: it is the watermark, as it was recorded last */
	bool		broken;			/* one failed: those behind it have no effect */
} UnderWay;

/*
 * Create a reader for an index, which lasts until it is freed. It begins with a
 * scan of all chats.
 */
EsBatchReader *
es_batch_reader_create(int32 index)
{
	EsBatchReader *reader = MemoryContextAllocZero(TopMemoryContext, sizeof(EsBatchReader));
	HASHCTL		control = {
		.keysize = sizeof(ChatKey),
		.entrysize = sizeof(UnderWay),
		.hcxt = TopMemoryContext
	};

	reader->index = index;
	reader->chats = chat_key_queue_create(CHATS_CAPACITY);
	reader->later = chat_key_queue_create(CHATS_CAPACITY);
	reader->under_way = hash_create("pg_chat chats under way", 64, &control,
									HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	reader->scanning = true;
	return reader;
}

/* Free a reader. */
void
es_batch_reader_free(EsBatchReader *reader)
{
	chat_key_queue_free(reader->chats);
	chat_key_queue_free(reader->later);
	hash_destroy(reader->under_way);
	pfree(reader);
}

/* Scan all chats; if a scan is under way, another one follows for those that it has passed. */
static void
scan(EsBatchReader *reader)
{
	if (reader->scanning)
		reader->scan_again = true;
	else
		reader->scan_position = (ChatKey) {0, 0};
	reader->scanning = true;
}

static void
look_at(EsBatchReader *reader, ChatKey chat)
{
	if (!chat_key_queue_add(reader->chats, chat))
		scan(reader);
}

/* Look at a chat again later. */
static void
put_off(EsBatchReader *reader, ChatKey chat)
{
	if (!chat_key_queue_add(reader->later, chat))
		scan(reader);
}

/* Look at chats that changed, or at all of them, and at the queue. */
void
es_batch_reader_look_at(EsBatchReader *reader, const ChatKey *chats, int count, bool all)
{
	for (int i = 0; i < count; i++)
		if (chats[i].chat != 0)
			look_at(reader, chats[i]);
	if (all)
		scan(reader);
	reader->queue_ended = false;
}

/* Look again at the chats that were put off, and at the queue. */
void
es_batch_reader_look_again(EsBatchReader *reader)
{
	ChatKey		chat;

	while (chat_key_queue_take(reader->later, &chat))
		look_at(reader, chat);
	reader->queue_ended = false;
}

/* Whether there may be more appended messages to read. */
bool
es_batch_reader_has_more(const EsBatchReader *reader)
{
	return reader->scanning || chat_key_queue_count(reader->chats) > 0;
}

/* Whether there may be something to read now. */
bool
es_batch_reader_can_read(EsBatchReader *reader)
{
	if (es_batch_reader_has_more(reader) || !(reader->queue_ended || reader->queue_under_way))
		return true;
	reader->caught_up = true;
	return false;
}

/* Whether there is nothing to read, now or later, as far as is known. */
bool
es_batch_reader_is_empty(const EsBatchReader *reader)
{
	return !es_batch_reader_has_more(reader) && chat_key_queue_count(reader->later) == 0 &&
		reader->queue_ended;
}

/*
 * Take the next chats to look at. Returns how many of them have messages to
 * read; these come first.
 */
static int
next_chats(EsBatchReader *reader, AppendedChat *chats)
{
	ChatKey		key;
	int			count = 0;
	int			known = 0;

	while (count < ES_BATCH_CHATS && chat_key_queue_take(reader->chats, &key))
	{
		UnderWay   *under_way = hash_search(reader->under_way, &key, HASH_FIND, NULL);

		if (under_way != NULL && under_way->broken)
			put_off(reader, key);
		else
			chats[count++] = (AppendedChat) {
				.chat = key,
				.above = under_way == NULL ? 0 : under_way->through,
				.under_way = under_way != NULL && under_way->batches > 0,
				.recorded = under_way != NULL
			};
	}
	if (count > 0 && es_appended_look_up(reader->index, chats, count))
		scan(reader);

	for (int i = 0; i < count; i++)
	{
		AppendedChat chat = chats[i];

		if (chat.known && chat.last_number > chat.above)
			chats[known++] = chat;
		else if (!chat.known && chat.last_number > 0)
			put_off(reader, chat.chat);
	}
	return known;
}

/* Continue the scan: find chats that lag. */
static void
scan_some(EsBatchReader *reader)
{
	static SavedPlan plan = SAVED_PLAN(
		"SELECT c.application_id, c.number, c.last_message_number <> COALESCE(w.indexed_number, 0) AS lags"
		" FROM (SELECT application_id, number, last_message_number FROM chat.chats"
		" WHERE (application_id, number) > ($2, $3)"
		" ORDER BY application_id, number LIMIT $4) AS c"
		" LEFT JOIN LATERAL (SELECT w.indexed_number FROM chat_internal.search_watermarks AS w"
		" WHERE w.index_id = $1 AND w.application_id = c.application_id AND w.chat_number = c.number OFFSET 0) AS w ON true"
		" ORDER BY c.application_id, c.number",
		INT4OID, INT4OID, INT4OID, INT8OID);
	Datum		values[4] = {
		Int32GetDatum(reader->index), Int32GetDatum(reader->scan_position.application),
		Int32GetDatum(reader->scan_position.chat), Int64GetDatum(CHATS_IN_SCAN)
	};
	uint64		rows = spi_plan_read_fresh(&plan, values);
	int			application_column = spi_column("application_id");
	int			number_column = spi_column("number");
	int			lags_column = spi_column("lags");

	for (uint64 row = 0; row < rows; row++)
	{
		ChatKey		chat = {spi_result_int32(row, application_column), spi_result_int32(row, number_column)};

		if (spi_result_bool(row, lags_column) && !chat_key_queue_add(reader->chats, chat))
			return;				/* continues from here when there is room */
		reader->scan_position = chat;
	}
	if (rows < CHATS_IN_SCAN)
	{
		reader->scanning = reader->scan_again;
		reader->scan_again = false;
		reader->scan_position = (ChatKey) {0, 0};
	}
}

/* Record the numbers through which the chats of a batch are under way. */
static void
note_under_way(EsBatchReader *reader, EsBatch *batch)
{
	for (int i = 0; i < batch->ranges_count; i++)
	{
		bool		found;
		UnderWay   *under_way = hash_search(reader->under_way, &batch->ranges[i].chat, HASH_ENTER, &found);

		if (!found)
		{
			under_way->batches = 0;
			under_way->broken = false;
		}
		under_way->batches++;
		under_way->through = batch->ranges[i].through;
		batch->ranges_noted++;
	}
}

/* Read appended messages. In a transaction. */
static void
read_appended(EsBatchReader *reader, EsBatch *batch, int size, int64 version)
{
	AppendedChat *chats = palloc(ES_BATCH_CHATS * sizeof(AppendedChat));
	int			count;

	if (reader->scanning && chat_key_queue_count(reader->chats) < ES_BATCH_CHATS)
		scan_some(reader);
	count = next_chats(reader, chats);
	if (count == 0)
		return;
	es_appended_read(batch, size, chats, count, version);

	/* A chat that was read in part goes behind those that had no turn. */
	for (int i = 0; i < count; i++)
		if (chats[i].unfinished && !chats[i].begun)
			look_at(reader, chats[i].chat);
	for (int i = 0; i < count; i++)
	{
		if (chats[i].unfinished && chats[i].begun)
			look_at(reader, chats[i].chat);
		else if (chats[i].awaited)
			put_off(reader, chats[i].chat);
	}
	note_under_way(reader, batch);
}

/* Read the next rows of the queue. In a transaction. */
static void
read_queue(EsBatchReader *reader, EsBatch *batch, int size, int64 version)
{
	static SavedPlan plan = SAVED_PLAN(
		"SELECT q.application_id, q.chat_number, q.number, q.id, m.body"
		" FROM (SELECT * FROM chat_internal.search_queue WHERE index_id = $1 AND reason IS NULL"
		" ORDER BY id LIMIT $2) AS q"
		" LEFT JOIN LATERAL (SELECT m.body FROM chat.messages AS m"
		" WHERE m.application_id = q.application_id AND m.chat_number = q.chat_number"
		" AND m.number = q.number OFFSET 0) AS m ON true"
		" ORDER BY q.id",
		INT4OID, INT8OID);
	Datum		values[2] = {Int32GetDatum(reader->index), Int64GetDatum(size)};
	uint64		rows = spi_plan_read_fresh(&plan, values);
	int			application_column = spi_column("application_id");
	int			chat_column = spi_column("chat_number");
	int			number_column = spi_column("number");
	int			id_column = spi_column("id");
	int			body_column = spi_column("body");

	batch->of_queue = rows > 0;
	for (uint64 row = 0; row < rows && !es_batch_is_full(batch, size); row++)
	{
		MessageKey	key = {
			spi_result_int32(row, application_column), spi_result_int32(row, chat_column),
			spi_result_int32(row, number_column)
		};
		bool		is_gone;
		text	   *body = spi_result_text(row, body_column, &is_gone);
		EsBatchItem *item = is_gone ? es_batch_add_deletion(batch, key, version) :
			es_batch_add_message(batch, key, body, version);

		item->queue_id = spi_result_int64(row, id_column);
	}
	reader->queue_ended = rows < size && batch->count == rows;
	reader->queue_under_way = batch->count > 0;
}

/*
 * Flush the WAL, so that everything that was read survives a crash, as it may
 * not after an asynchronous commit: else the index would have messages that
 * PostgreSQL has lost, and nothing would tell.
 */
static void
flush_wal(void)
{
	XLogRecPtr	end = GetXLogInsertRecPtr();

	/* The start of the next record may be behind the header of a page that is not there yet. */
	if (XLogSegmentOffset(end, wal_segment_size) == SizeOfXLogLongPHD)
		end -= SizeOfXLogLongPHD;
	else if (end % XLOG_BLCKSZ == SizeOfXLogShortPHD)
		end -= SizeOfXLogShortPHD;
	XLogFlush(end);
}

/*
 * Fill a batch with at most size messages, whose documents get the version, or
 * leave it empty if there is nothing to read now. es_batch_reader_end_batch()
 * or es_batch_reader_drop_batch() must follow, also after an error.
 */
void
es_batch_reader_read(EsBatchReader *reader, EsBatch *batch, int size, int64 version)
{
	worker_xact_begin("reading what is to be indexed");
	if (!reader->queue_ended && !reader->queue_under_way)
		read_queue(reader, batch, size, version);
	if (batch->count == 0)
		read_appended(reader, batch, size, version);
	worker_xact_commit();
	flush_wal();
	batch->read = true;
	if (batch->count == 0 && batch->ranges_count == 0)
		reader->caught_up |= !es_batch_reader_has_more(reader) && reader->queue_ended;
}

/*
 * Break off the batches of a chat that are under way: they have no effect, and
 * the chat is read again after them.
 */
void
es_batch_reader_break_off(EsBatchReader *reader, ChatKey chat)
{
	UnderWay   *under_way = hash_search(reader->under_way, &chat, HASH_FIND, NULL);

	if (under_way != NULL && under_way->batches > 0)
		under_way->broken = true;
	else if (under_way != NULL)
		hash_search(reader->under_way, under_way, HASH_REMOVE, NULL);
	put_off(reader, chat);
}

/* Forget the watermarks that are kept in mind. */
static void
forget_watermarks(EsBatchReader *reader)
{
	HASH_SEQ_STATUS sequence;
	UnderWay   *under_way;

	hash_seq_init(&sequence, reader->under_way);
	while ((under_way = hash_seq_search(&sequence)) != NULL)
		if (under_way->batches == 0)
			hash_search(reader->under_way, under_way, HASH_REMOVE, NULL);
}

/* A batch is not under way any more: what became of it is noted in the tables. */
void
es_batch_reader_end_batch(EsBatchReader *reader, const EsBatch *batch)
{
	for (int i = 0; i < batch->ranges_noted; i++)
	{
		UnderWay   *under_way = hash_search(reader->under_way, &batch->ranges[i].chat, HASH_FIND, NULL);

		if (under_way != NULL && --under_way->batches == 0 && under_way->broken)
			hash_search(reader->under_way, under_way, HASH_REMOVE, NULL);
	}
	if (hash_get_num_entries(reader->under_way) > WATERMARKS_KEPT)
		forget_watermarks(reader);
	if (batch->of_queue)
		reader->queue_under_way = false;
}

/* End a batch with an unknown outcome: its messages are read again. */
void
es_batch_reader_drop_batch(EsBatchReader *reader, const EsBatch *batch)
{
	for (int i = 0; i < batch->ranges_noted; i++)
		es_batch_reader_break_off(reader, batch->ranges[i].chat);
	es_batch_reader_end_batch(reader, batch);
	reader->queue_ended = false;
	reader->caught_up = false;
	/* Chats that were taken for it, but not read, are not known. */
	if (!batch->read)
		scan(reader);
}
