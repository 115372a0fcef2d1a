/*
 * search_queue.c
 *	  Messages that a search index is to index anew.
 *
 * A message that is appended to its chat lies above the chat's watermark,
 * where the worker finds it. One that is changed, deleted, or inserted at or
 * below the chat's highest number is queued in chat_internal.search_queue, in
 * the same transaction, for each index that is in use or being built; without
 * an index, nothing is queued. The queue holds keys, not changes: the worker
 * reads the message as it is by then. So an unneeded row does no harm.
 *
 * The tables are read and changed as of now, even in a transaction that has
 * one snapshot: there may be an index, or a watermark, that is younger than
 * that.
 *
 * Messages that are inserted one by one are collected, and written in batches
 * of a thousand. Each subtransaction writes what it collected itself, since it
 * may be rolled back alone.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "changes/search_queue.h"
#include "common/database_identity.h"
#include "common/int_columns.h"
#include "common/keys.h"
#include "common/spi_plan.h"
#include "common/tid_array.h"

/* The number of collected messages at which they are to be written. */
#define COLLECTED_MAX 1000

typedef struct CollectedMessage
{
	MessageKey	key;
	SubTransactionId subtransaction;
} CollectedMessage;

/* Collected messages, in TopTransactionContext; those of an inner subtransaction come last. */
static CollectedMessage *collected = NULL;
static int	collected_count = 0;
static int	collected_capacity = 0;

static void
on_transaction_end(XactEvent event, void *argument)
{
	switch (event)
	{
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
			collected = NULL;	/* its memory ends with the transaction */
			collected_count = 0;
			break;
		default:
			break;
	}
}

static void
on_subtransaction_end(SubXactEvent event, SubTransactionId subtransaction,
					  SubTransactionId parent, void *argument)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
		while (collected_count > 0 && collected[collected_count - 1].subtransaction == subtransaction)
			collected_count--;
	if (event == SUBXACT_EVENT_COMMIT_SUB)
		for (int i = collected_count; i > 0 && collected[i - 1].subtransaction == subtransaction; i--)
			collected[i - 1].subtransaction = parent;
}

/*
 * Register for the ends of transactions. Called once, when the library is
 * loaded.
 */
void
search_queue_init(void)
{
	RegisterXactCallback(on_transaction_end, NULL);
	RegisterSubXactCallback(on_subtransaction_end, NULL);
}

/*
 * Collect a message; search_queue_flush() must be called before the statement
 * ends.
 */
void
search_queue_add(int32 application, int32 chat, int32 number)
{
	if (collected == NULL)
	{
		collected_capacity = 16;
		collected = MemoryContextAlloc(TopTransactionContext,
									   collected_capacity * sizeof(CollectedMessage));
	}
	else if (collected_count == collected_capacity)
	{
		collected_capacity *= 2;
		collected = repalloc_huge(collected, collected_capacity * sizeof(CollectedMessage));
	}
	collected[collected_count++] = (CollectedMessage) {
		{application, chat, number}, GetCurrentSubTransactionId()
	};
}

/* Whether no messages are collected. */
bool
search_queue_is_empty(void)
{
	return collected_count == 0;
}

/* Whether search_queue_flush() should be called now, since enough messages are collected. */
bool
search_queue_is_full(void)
{
	return collected_count >= COLLECTED_MAX &&
		collected[collected_count - COLLECTED_MAX].subtransaction == GetCurrentSubTransactionId();
}

/* The ids of this database's indexes. Connected to SPI, as the owner. */
static IntColumns
get_indexes(void)
{
	static SavedPlan plan = SAVED_PLAN(
		"SELECT id FROM chat_internal.search_indexes WHERE owner_database = $1 AND state <> 'retired'",
		TEXTOID);
	Datum		database = CStringGetTextDatum(database_identity_current());
	uint64		count = spi_plan_write_latest(&plan, &database);
	int			id = spi_column("id");
	IntColumns	ids;

	int_columns_init(&ids, 1, count);
	for (uint64 row = 0; row < count; row++)
		int_columns_append(&ids, (int32[]) {spi_result_int32(row, id)});
	return ids;
}

/*
 * Queue the messages that this subtransaction collected. Connected to SPI, as
 * the owner.
 */
void
search_queue_flush(void)
{
	static SavedPlan plan = SAVED_PLAN(
		"INSERT INTO chat_internal.search_queue (index_id, application_id, chat_number, number)"
		" SELECT i.id, k.application_id, k.chat_number, k.number FROM unnest($1) AS i (id),"
		" ROWS FROM (unnest($2), unnest($3), unnest($4)) AS k (application_id, chat_number, number)",
		INT4ARRAYOID, INT4ARRAYOID, INT4ARRAYOID, INT4ARRAYOID);
	SubTransactionId subtransaction = GetCurrentSubTransactionId();
	int			first = collected_count;
	MessageKey *keys;
	int			count;
	IntColumns	indexes;
	Datum		values[4];

	while (first > 0 && collected[first - 1].subtransaction == subtransaction)
		first--;
	count = collected_count - first;
	if (count == 0)
		return;

	/* Taken first, since the statements may fire triggers that collect others. */
	keys = MemoryContextAllocHuge(CurrentMemoryContext, count * sizeof(MessageKey));
	for (int i = 0; i < count; i++)
		keys[i] = collected[first + i].key;
	collected_count = first;

	indexes = get_indexes();
	if (indexes.count == 0)
		return;
	int_columns_to_arrays(&indexes, &values[0]);
	message_keys_to_arrays(keys, count, &values[1]);
	spi_plan_write(&plan, values, NULL);
}

/*
 * Queue the messages whose keys a query finds. It has the columns
 * application_id, chat_number and number, and may name a trigger's transition
 * tables. Returns whether there were any. Connected to SPI, as the owner.
 */
bool
search_queue_add_from(const char *keys)
{
	IntColumns	indexes = get_indexes();
	uint64		added = 0;

	for (int i = 0; i < indexes.count; i++)
		added += spi_execute(psprintf("INSERT INTO chat_internal.search_queue (index_id, application_id, chat_number, number)"
									  " SELECT %d, k.application_id, k.chat_number, k.number FROM (%s) AS k",
									  DatumGetInt32(indexes.values[0][i]), keys));
	return added > 0;
}

/*
 * Delete the watermarks of chats that were deleted, got another key, or had
 * their highest number lowered. Connected to SPI, as the owner.
 */
void
search_queue_forget_chats(const ChatKey *chats, int count)
{
	static SavedPlan lock = SAVED_PLAN(
		"SELECT w.ctid FROM unnest($1) AS i (id), ROWS FROM (unnest($2), unnest($3)) AS k (application_id, chat_number),"
		" LATERAL (SELECT w.ctid FROM chat_internal.search_watermarks AS w WHERE w.index_id = i.id"
		" AND w.application_id = k.application_id AND w.chat_number = k.chat_number FOR UPDATE) AS w",
		INT4ARRAYOID, INT4ARRAYOID, INT4ARRAYOID);
	static SavedPlan delete = TID_ARRAY_PLAN("DELETE FROM chat_internal.search_watermarks WHERE ctid = ANY ($1)");
	IntColumns	indexes = get_indexes();
	Datum		values[3];

	if (indexes.count == 0)
		return;
	int_columns_to_arrays(&indexes, &values[0]);
	chat_keys_to_arrays(chats, count, &values[1]);
	if (spi_plan_write_latest(&lock, values) == 0)
		return;
	values[0] = tid_array_of_result("ctid");
	spi_plan_write_latest(&delete, values);
}

/*
 * Delete all watermarks and the queue, and mark the indexes to be replaced,
 * since all messages were deleted. Connected to SPI, as the owner.
 */
void
search_queue_forget_all(void)
{
	static SavedPlan watermarks = SAVED_PLAN(
		"DELETE FROM chat_internal.search_watermarks WHERE index_id = ANY ($1)", INT4ARRAYOID);
	static SavedPlan queue = SAVED_PLAN(
		"DELETE FROM chat_internal.search_queue WHERE index_id = ANY ($1)", INT4ARRAYOID);
	static SavedPlan rebuild = SAVED_PLAN(
		"UPDATE chat_internal.search_indexes SET rebuild = true WHERE id = ANY ($1) AND NOT rebuild", INT4ARRAYOID);
	IntColumns	indexes = get_indexes();
	Datum		ids;

	if (indexes.count == 0)
		return;
	int_columns_to_arrays(&indexes, &ids);
	spi_plan_write_latest(&watermarks, &ids);
	spi_plan_write_latest(&queue, &ids);
	spi_plan_write_latest(&rebuild, &ids);
}
