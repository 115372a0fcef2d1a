/*
 * es_batch.c
 *	  Messages that are read, sent and acknowledged together.
 *
 * There are two kinds of batches. One has appended messages: of some chats
 * those above the watermark, each chat's a range. The other has rows of
 * chat_internal.search_queue, each with the message as it is now, or with a
 * deletion if it is gone.
 *
 * es_batch_reader.c fills a batch, es_sender.c sends it and waits for the
 * answer, es_bulk.c reads that, and es_batch_ack.c records the outcome in the
 * tables.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "common/compat.h"
#include "elasticsearch/es_batch.h"
#include "elasticsearch/es_document.h"

/* The size of a body at which the batch is full. */
#define BODY_BYTES (2 * 1024 * 1024)

/*
 * The largest message that is sent; a longer one fails. Only a direct insertion
 * can have written it.
 */
#define MESSAGE_BYTES_MAX (16 * 1024 * 1024)

/* Create an empty batch with room for size messages, which lasts until it is freed. */
EsBatch *
es_batch_create(int size)
{
	MemoryContext context = AllocSetContextCreate(TopMemoryContext, "pg_chat batch",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);
	EsBatch    *batch = palloc0(sizeof(EsBatch));

	batch->context = context;
	batch->scratch = AllocSetContextCreate(context, "pg_chat document", ALLOCSET_DEFAULT_SIZES);
	batch->items = palloc(size * sizeof(EsBatchItem));
	batch->ranges = palloc(ES_BATCH_CHATS * sizeof(EsBatchRange));
	MemoryContextSwitchTo(http_context());
	batch->body = makeStringInfo();
	MemoryContextSwitchTo(caller);
	return batch;
}

/* Free a batch, and abort its request. */
void
es_batch_free(EsBatch *batch)
{
	if (batch->request != NULL)
		http_end(batch->request);
	http_free_body(batch->body);
	MemoryContextDelete(batch->context);
}

/* Whether the batch has size messages, or its body is large enough to be sent. */
bool
es_batch_is_full(const EsBatch *batch, int size)
{
	return batch->count == size || batch->body->len >= BODY_BYTES;
}

static EsBatchItem *
add_item(EsBatch *batch, MessageKey key)
{
	EsBatchItem *item = &batch->items[batch->count++];

	*item = (EsBatchItem) {.key = key, .range = -1};
	return item;
}

/*
 * Add a message to be indexed, with a version. One that cannot be indexed
 * fails, and is not sent.
 */
EsBatchItem *
es_batch_add_message(EsBatch *batch, MessageKey key, const text *body, int64 version)
{
	EsBatchItem *item = add_item(batch, key);
	MemoryContext caller;

	if (VARSIZE_ANY_EXHDR(body) > MESSAGE_BYTES_MAX)
	{
		item->fate = FATE_FAILED;
		item->reason = "its body is too long";
		return item;
	}
	caller = MemoryContextSwitchTo(batch->scratch);
	item->sent = es_document_append(batch->body, key, body, version);
	MemoryContextSwitchTo(caller);
	MemoryContextReset(batch->scratch);
	if (!item->sent)
	{
		item->fate = FATE_FAILED;
		item->reason = "its body is not UTF-8";
	}
	return item;
}

/* Add a message whose document is to be deleted, with a version. */
EsBatchItem *
es_batch_add_deletion(EsBatch *batch, MessageKey key, int64 version)
{
	EsBatchItem *item = add_item(batch, key);

	es_document_append_deletion(batch->body, key, version);
	item->sent = true;
	return item;
}

/* Add a range of a chat, above one number and through another, whose messages have been added. */
void
es_batch_add_range(EsBatch *batch, ChatKey chat, int32 above, int32 through)
{
	batch->ranges[batch->ranges_count++] = (EsBatchRange) {
		.chat = chat, .above = above, .through = through
	};
}
