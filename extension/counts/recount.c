/*
 * recount.c
 *	  Counters that are counted anew.
 *
 * A parent is a chat, which has messages, or an application, which has chats.
 * Its counters are the count of its children and their highest number; of a chat, also
 * the last revision. A message that was deleted is a row, and is not counted.
 *
 * DESIGN
 *
 * Counting a large chat takes long, and must not delay anybody. So it holds no
 * lock: one statement, with one snapshot, reads the counter and counts the
 * children. The functions that create children change both in one commit, so
 * in any snapshot the two agree, however many writers there are. Their
 * difference is the error, which is added to the counter as it is by then. Two
 * recounts at the same time would add it twice, so a lock that only recounts
 * take keeps them apart. Wrong counters are repaired after all are counted,
 * since a repaired counter stays locked until the end of the transaction. A
 * parent may be deleted in between, and another get its key: the error does
 * not apply to that one.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "changes/change_tracking.h"
#include "common/spi_plan.h"
#include "core/number_cache.h"
#include "counts/recount.h"

/*
 * The lock of recounts. It is no lock of a table, which VACUUM, ANALYZE and
 * others take, too.
 */
static LOCKTAG
lock_tag(void)
{
	LOCKTAG		tag;

	SET_LOCKTAG_OBJECT(tag, MyDatabaseId, RelationRelationId,
					   get_relname_relid("recount_queue", get_namespace_oid("chat_internal", false)), 1);
	return tag;
}

/*
 * Lock out other recounts until the end of the transaction. To be called before
 * the snapshot is taken.
 */
void
recount_lock(void)
{
	LOCKTAG		tag = lock_tag();

	(void) LockAcquire(&tag, ExclusiveLock, false, false);
}

/* Whether recount_lock() would not have to wait. */
bool
recount_lock_is_free(void)
{
	LOCKTAG		tag = lock_tag();

	if (LockAcquire(&tag, ExclusiveLock, false, true) == LOCKACQUIRE_NOT_AVAIL)
		return false;
	LockRelease(&tag, ExclusiveLock, false);
	return true;
}

/*
 * Add the error of a chat's counters to them. Returns whether the chat still
 * exists.
 */
static bool
repair_chat(const RecountItem *chat)
{
	static SavedPlan plan = SAVED_PLAN(
		"UPDATE chat.chats SET messages_count = (messages_count + $4)::int4,"
		" last_message_number = GREATEST(last_message_number, $5), last_revision = GREATEST(last_revision, $6)"
		" WHERE application_id = $1 AND number = $2 AND created_at = $3",
		INT4OID, INT4OID, TIMESTAMPTZOID, INT8OID, INT4OID, INT4OID);
	Datum		values[6] = {
		Int32GetDatum(chat->parent.application), Int32GetDatum(chat->parent.chat),
		TimestampTzGetDatum(chat->created_at),
		Int64GetDatum((int64) chat->counted - chat->count), Int32GetDatum(chat->highest),
		Int32GetDatum(chat->highest_revision)
	};

	return spi_plan_write(&plan, values, NULL) > 0;
}

/*
 * The same for an application. If it has no counters, inserts them; a
 * transaction that does so at the same time counts by itself.
 */
static bool
repair_application(const RecountItem *application)
{
	static SavedPlan add = SAVED_PLAN(
		"UPDATE chat.application_counters AS k SET chats_count = (k.chats_count + $3)::int4,"
		" last_chat_number = GREATEST(k.last_chat_number, $4)"
		" FROM chat.applications AS a"
		" WHERE a.id = $1 AND a.created_at = $2 AND k.application_id = a.id",
		INT4OID, TIMESTAMPTZOID, INT8OID, INT4OID);
	static SavedPlan create = SAVED_PLAN(
		"INSERT INTO chat.application_counters (application_id, chats_count, last_chat_number)"
		" SELECT id, $3::int4, $4 FROM chat.applications WHERE id = $1 AND created_at = $2"
		" FOR KEY SHARE ON CONFLICT DO NOTHING",
		INT4OID, TIMESTAMPTZOID, INT8OID, INT4OID);
	Datum		values[4] = {
		Int32GetDatum(application->parent.application), TimestampTzGetDatum(application->created_at),
		Int64GetDatum((int64) application->counted - application->count),
		Int32GetDatum(application->highest)
	};

	return spi_plan_write(application->missing ? &create : &add, values, NULL) > 0;
}

/* Insert a row of chat.repaired_counts. */
static void
add_row(const RepairedCount *repaired, void *context)
{
	repaired_counts_add(repaired);
}

/*
 * Repair the counters that were found wrong, and record that in
 * chat.repaired_counts. In the transaction that counted them.
 */
void
recount_repair(RecountResult *result)
{
	for (int i = 0; i < result->wrong_count; i++)
	{
		RecountItem *item = &result->wrong[i];
		int			previous = number_cache_function_begin();

		item->repaired = item->parent.chat != 0 ? repair_chat(item) : repair_application(item);
		number_cache_function_end(previous);
		if (item->repaired)
			change_tracking_note(item->parent.application, item->parent.chat);
	}
	recount_report(result, add_row, NULL);
}

/* Call callback with context for each counter that was repaired. */
void
recount_report(const RecountResult *result, RepairCallback callback, void *context)
{
	for (int i = 0; i < result->wrong_count; i++)
	{
		const RecountItem *item = &result->wrong[i];
		bool		is_chat = item->parent.chat != 0;
		RepairedCount count = {
			.parent = item->parent,
			.counter = is_chat ? "messages_count" : "chats_count",
			.was_number = true,
			.old_value = item->count,
			.new_value = item->counted
		};
		RepairedCount number = {
			.parent = item->parent,
			.counter = is_chat ? "last_message_number" : "last_chat_number",
			.was_number = true,
			.old_value = item->last_number,
			.new_value = item->highest
		};

		RepairedCount revision = {
			.parent = item->parent,
			.counter = "last_revision",
			.was_number = true,
			.old_value = item->last_revision,
			.new_value = item->highest_revision
		};

		if (item->repaired && item->counted != item->count)
			callback(&count, context);
		if (item->repaired && item->highest > item->last_number)
			callback(&number, context);
		if (item->repaired && item->highest_revision > item->last_revision)
			callback(&revision, context);
	}
}

/* Add a parent to those whose counters are wrong. */
static void
add_wrong(RecountResult *result, const RecountItem *item)
{
	if (result->wrong_count == result->wrong_capacity)
	{
		result->wrong_capacity = Max(64, 2 * result->wrong_capacity);
		result->wrong = result->wrong == NULL ?
			MemoryContextAlloc(result->context, result->wrong_capacity * sizeof(RecountItem)) :
			repalloc_huge(result->wrong, result->wrong_capacity * sizeof(RecountItem));
	}
	result->wrong[result->wrong_count++] = *item;
}

/* Count parents with a statement, and collect those whose counters are wrong. */
static void
count_with(SavedPlan *plan, const Datum *values, RecountResult *result)
{
	uint64		count = spi_plan_read_fresh(plan, values);
	int			application = spi_column("application_id");
	int			chat = spi_column("chat_number");
	int			created_at = spi_column("created_at");
	int			missing = spi_column("missing");
	int			stored_count = spi_column("stored_count");
	int			stored_highest = spi_column("stored_highest");
	int			stored_revision = spi_column("stored_revision");
	int			counted = spi_column("counted");
	int			highest = spi_column("highest");
	int			highest_revision = spi_column("highest_revision");

	for (uint64 row = 0; row < count; row++)
	{
		RecountItem item = {
			.parent = {spi_result_int32(row, application), spi_result_int32(row, chat)},
			.created_at = DatumGetTimestampTz(spi_result(row, created_at, TIMESTAMPTZOID, NULL)),
			.missing = spi_result_bool(row, missing),
			.count = spi_result_int32(row, stored_count),
			.last_number = spi_result_int32(row, stored_highest),
			.last_revision = spi_result_int32(row, stored_revision),
			.counted = spi_result_int32(row, counted),
			.highest = spi_result_int32(row, highest),
			.highest_revision = spi_result_int32(row, highest_revision)
		};

		if (item.counted != item.count || item.highest > item.last_number || item.highest_revision > item.last_revision)
			add_wrong(result, &item);
	}
	SPI_freetuptable(SPI_tuptable);
	result->examined += count;
}

/*
 * Count these parents, and add those whose counters are wrong to *result.
 * Parents that do not exist are skipped. The caller has called recount_lock().
 */
void
recount_count(const ChatKey *parents, int count, RecountResult *result)
{
	static SavedPlan count_chats = SAVED_PLAN(
		"SELECT c.application_id, c.number AS chat_number, c.created_at, false AS missing,"
		" c.messages_count AS stored_count, c.last_message_number AS stored_highest, c.last_revision AS stored_revision,"
		" (m.counted - d.deleted)::int4 AS counted, COALESCE(m.highest, 0) AS highest,"
		" GREATEST(d.highest, g.highest, 0) AS highest_revision"
		" FROM ROWS FROM (unnest($1), unnest($2)) AS k (application_id, number),"
		" LATERAL (SELECT c.* FROM chat.chats AS c"
		" WHERE c.application_id = k.application_id AND c.number = k.number AND c.deleted_at IS NULL LIMIT 1) AS c,"
		" LATERAL (SELECT count(*) AS counted, max(m.number) AS highest FROM chat.messages AS m"
		" WHERE m.application_id = c.application_id AND m.chat_number = c.number) AS m,"
/* The few that have a revision, by its index: so the many above need not be read for it. */
		" LATERAL (SELECT count(*) FILTER (WHERE m.deleted_at IS NOT NULL) AS deleted, max(m.revision) AS highest FROM chat.messages AS m"
		" WHERE m.application_id = c.application_id AND m.chat_number = c.number AND m.revision > 0) AS d,"
		" LATERAL (SELECT max(m.revision) AS highest FROM chat_internal.deleted_messages AS m"
		" WHERE m.application_id = c.application_id AND m.chat_number = c.number) AS g",
		INT4ARRAYOID, INT4ARRAYOID);
	static SavedPlan count_applications = SAVED_PLAN(
		"SELECT a.id AS application_id, 0 AS chat_number, a.created_at, s.application_id IS NULL AS missing,"
		" COALESCE(s.chats_count, 0) AS stored_count, COALESCE(s.last_chat_number, 0) AS stored_highest, 0 AS stored_revision,"
		" c.counted::int4, COALESCE(c.highest, 0) AS highest, 0 AS highest_revision"
		" FROM ROWS FROM (unnest($1), unnest($2)) AS k (application_id, number),"
		" LATERAL (SELECT a.id, a.created_at FROM chat.applications AS a"
		" WHERE a.id = k.application_id AND a.deleted_at IS NULL AND k.number = 0 LIMIT 1) AS a"
		" LEFT JOIN LATERAL (SELECT s.* FROM chat.application_counters AS s"
		" WHERE s.application_id = a.id LIMIT 1) AS s ON true,"
		" LATERAL (SELECT count(*) FILTER (WHERE c.deleted_at IS NULL) AS counted, max(c.number) AS highest FROM chat.chats AS c"
		" WHERE c.application_id = a.id) AS c",
		INT4ARRAYOID, INT4ARRAYOID);
	Datum		values[2];

	chat_keys_to_arrays(parents, count, values);
	count_with(&count_chats, values, result);
	count_with(&count_applications, values, result);
}

/* Read the parents that the statement of a walk finds. */
static int
next_parents(SavedPlan *plan, ChatKey *parents, int limit, ChatKey after, int32 last_application)
{
	Datum		values[4] = {
		Int32GetDatum(after.application), Int32GetDatum(after.chat),
		Int32GetDatum(last_application), Int64GetDatum(limit)
	};
	uint64		count = spi_plan_read_fresh(plan, values);
	int			application = spi_column("application_id");
	int			chat = spi_column("chat_number");

	for (uint64 row = 0; row < count; row++)
		parents[row] = (ChatKey) {spi_result_int32(row, application), spi_result_int32(row, chat)};
	SPI_freetuptable(SPI_tuptable);
	return count;
}

/* The walk over chats: see RecountWalk. */
int
recount_next_chats(ChatKey *parents, int limit, ChatKey after, int32 last_application)
{
	static SavedPlan plan = SAVED_PLAN(
		"SELECT application_id, number AS chat_number FROM chat.chats"
		" WHERE (application_id, number) > ($1, $2) AND application_id <= $3 AND deleted_at IS NULL"
		" ORDER BY application_id, number LIMIT $4",
		INT4OID, INT4OID, INT4OID, INT8OID);

	return next_parents(&plan, parents, limit, after, last_application);
}

/* The walk over applications, as parents with chat 0: see RecountWalk. */
int
recount_next_applications(ChatKey *parents, int limit, ChatKey after, int32 last_application)
{
	static SavedPlan plan = SAVED_PLAN(
		"SELECT id AS application_id, $2 * 0 AS chat_number FROM chat.applications"
		" WHERE id > $1 AND id <= $3 AND deleted_at IS NULL ORDER BY id LIMIT $4",
		INT4OID, INT4OID, INT4OID, INT8OID);

	return next_parents(&plan, parents, limit, after, last_application);
}
