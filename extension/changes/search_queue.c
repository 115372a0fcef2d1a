/*
 * search_queue.c
 *	  Changes that a search index has to be told of.
 *
 * A message that is appended to its chat lies above the chat's watermark, where
 * the worker finds it. One that is changed, deleted, or inserted at or below
 * the chat's highest number is put into chat_internal.search_queue, in the same
 * transaction, for each index that is in use or being built; without an index,
 * all of this does nothing. What is queued is a key, not a change: the worker
 * looks at what the table has by then. So a row too many does no harm.
 *
 * The tables are read and changed as of now, even in a transaction that has one
 * snapshot: there may be an index, or a watermark, that is younger.
 *
 * Messages that are inserted one by one are collected, and written a thousand
 * at a time. What a subtransaction collects is written by itself, since it may
 * be rolled back; what those around it collected, by them.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/memutils.h"

#include "changes/search_queue.h"
#include "common/int_array.h"
#include "common/spi_plan.h"

/* Messages that are collected before they are to be written. */
#define COLLECTED_MAX 1000

typedef struct CollectedMessage
{
	int32		application;
	int32		chat;
	int32		number;
	SubTransactionId subtransaction;
} CollectedMessage;

/* In TopTransactionContext; those of an inner subtransaction come last. */
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
 * Collect a message, for search_queue_flush before the statement ends.
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
		application, chat, number, GetCurrentSubTransactionId()
	};
}

/* Whether none are collected. */
bool
search_queue_is_empty(void)
{
	return collected_count == 0;
}

/* Whether so many are collected that search_queue_flush should be called now. */
bool
search_queue_is_full(void)
{
	return collected_count >= COLLECTED_MAX &&
		collected[collected_count - COLLECTED_MAX].subtransaction == GetCurrentSubTransactionId();
}

/*
 * The indexes that have to be told, two at most. Connected to SPI, as the owner.
 */
static Int32Array
get_indexes(void)
{
	static SavedPlan plan = {
		.sql = "SELECT id FROM chat_internal.search_indexes WHERE state OPERATOR(pg_catalog.<>) 'retired'"
	};
	Int32Array	indexes;
	uint64		count = spi_plan_write_latest(&plan, NULL);

	int32_array_init(&indexes, count);
	for (uint64 row = 0; row < count; row++)
		int32_array_append(&indexes, spi_result_int32(row, 1));
	return indexes;
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
		" SELECT i.id, k.application_id, k.chat_number, k.number FROM pg_catalog.unnest($1) AS i (id),"
		" ROWS FROM (pg_catalog.unnest($2), pg_catalog.unnest($3), pg_catalog.unnest($4))"
		" AS k (application_id, chat_number, number)",
		INT4ARRAYOID, INT4ARRAYOID, INT4ARRAYOID, INT4ARRAYOID);
	SubTransactionId subtransaction = GetCurrentSubTransactionId();
	int			first = collected_count;
	Int32Array	columns[4];
	Datum		values[4];

	while (first > 0 && collected[first - 1].subtransaction == subtransaction)
		first--;
	if (first == collected_count)
		return;

	columns[0] = get_indexes();
	if (columns[0].count > 0)
	{
		for (int i = 1; i < 4; i++)
			int32_array_init(&columns[i], collected_count - first);
		for (int i = first; i < collected_count; i++)
		{
			int32_array_append(&columns[1], collected[i].application);
			int32_array_append(&columns[2], collected[i].chat);
			int32_array_append(&columns[3], collected[i].number);
		}
		for (int i = 0; i < 4; i++)
			values[i] = int32_array_datum(&columns[i]);
		spi_plan_write(&plan, values, NULL);
	}
	collected_count = first;
}

/*
 * Queue the messages whose keys a query finds: it has the columns
 * application_id, chat_number and number, and may name a trigger's transition
 * tables. Returns whether there were any. Connected to SPI, as the owner.
 */
bool
search_queue_add_from(const char *keys)
{
	Int32Array	indexes = get_indexes();
	bool		added = false;

	for (int i = 0; i < indexes.count; i++)
	{
		if (SPI_execute(psprintf("INSERT INTO chat_internal.search_queue (index_id, application_id, chat_number, number)"
								 " SELECT %d, k.application_id, k.chat_number, k.number FROM (%s) AS k",
								 DatumGetInt32(indexes.values[i]), keys), false, 0) < 0)
			elog(ERROR, "could not queue messages for the search index");
		added = added || SPI_processed > 0;
	}
	return added;
}

/*
 * Forget the watermarks of chats: they were deleted, got another key, or had
 * their highest number lowered. The keys are arrays of applications and chats.
 * Connected to SPI, as the owner.
 */
void
search_queue_forget_chats(const Datum *keys)
{
	static SavedPlan plan = SAVED_PLAN(
		"DELETE FROM chat_internal.search_watermarks AS w"
		" USING pg_catalog.unnest($1) AS i (id),"
		" ROWS FROM (pg_catalog.unnest($2), pg_catalog.unnest($3)) AS k (application_id, chat_number)"
		" WHERE w.index_id OPERATOR(pg_catalog.=) i.id"
		" AND w.application_id OPERATOR(pg_catalog.=) k.application_id"
		" AND w.chat_number OPERATOR(pg_catalog.=) k.chat_number",
		INT4ARRAYOID, INT4ARRAYOID, INT4ARRAYOID);
	Int32Array	indexes = get_indexes();
	Datum		values[3] = {int32_array_datum(&indexes), keys[0], keys[1]};

	if (indexes.count > 0)
		spi_plan_write_latest(&plan, values);
}

/*
 * Forget everything, and have the indexes replaced: all messages are gone.
 * Connected to SPI, as the owner.
 */
void
search_queue_forget_all(void)
{
	static SavedPlan watermarks = {.sql = "DELETE FROM chat_internal.search_watermarks"};
	static SavedPlan queue = {.sql = "DELETE FROM chat_internal.search_queue"};
	static SavedPlan rebuild = {.sql = "UPDATE chat_internal.search_indexes SET rebuild = true WHERE NOT rebuild"};

	spi_plan_write_latest(&watermarks, NULL);
	spi_plan_write_latest(&queue, NULL);
	spi_plan_write_latest(&rebuild, NULL);
}
