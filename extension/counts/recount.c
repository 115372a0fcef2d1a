/*
 * recount.c
 *	  Counts that are counted anew.
 *
 * A parent is a chat, which has messages, or an application, which has chats.
 * Its counters are the count of its children and their highest number.
 *
 * DESIGN
 *
 * To count a large chat takes long, and nobody may wait for it. So no lock is
 * held meanwhile: one statement, that is one snapshot, reads the counter and
 * counts the children. Whoever creates children by the functions changes both
 * in one commit, so in any snapshot the two agree, however many are writing;
 * what they differ by is the error, and it is added to the counter as it is
 * by then. Two reconciliations at a time would add it twice: a lock that only
 * they take keeps them apart. What is wrong is repaired when all is counted, for
 * a counter that was repaired is locked until the end of the transaction. A
 * parent may be deleted meanwhile, and another get its key: the error is not
 * that one's.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "core/number_cache.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "changes/change_tracking.h"
#include "common/int_array.h"
#include "common/spi_plan.h"
#include "core/arg_error.h"
#include "core/entity_lookup.h"
#include "core/sql_function.h"
#include "counts/recount.h"

PG_FUNCTION_INFO_V1(chat_reconcile);

#define CHAT_COUNTS \
	"SELECT c.application_id, c.number, c.messages_count, c.last_message_number," \
	" m.counted::pg_catalog.int4, COALESCE(m.highest, 0), c.created_at, 0"
#define CHAT_CHILDREN \
	", LATERAL (SELECT pg_catalog.count(*) AS counted, pg_catalog.max(m.number) AS highest" \
	" FROM chat.messages AS m WHERE m.application_id OPERATOR(pg_catalog.=) c.application_id" \
	" AND m.chat_number OPERATOR(pg_catalog.=) c.number) AS m"

#define APPLICATION_COUNTS \
	"SELECT a.id, 0, COALESCE(k.chats_count, 0), COALESCE(k.last_chat_number, 0)," \
	" c.counted::pg_catalog.int4, COALESCE(c.highest, 0), a.created_at," \
	" (k.application_id IS NULL)::pg_catalog.int4"
#define APPLICATION_CHILDREN \
	" LEFT JOIN chat.application_counters AS k ON k.application_id OPERATOR(pg_catalog.=) a.id" \
	", LATERAL (SELECT pg_catalog.count(*) AS counted, pg_catalog.max(c.number) AS highest" \
	" FROM chat.chats AS c WHERE c.application_id OPERATOR(pg_catalog.=) a.id) AS c"

/*
 * The lock of reconciliations. Not that of a table, which VACUUM, ANALYZE and
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
 * Keep other reconciliations out until the end of the transaction. Comes
 * before the snapshot that counts.
 */
void
recount_lock(void)
{
	LOCKTAG		tag = lock_tag();

	(void) LockAcquire(&tag, ExclusiveLock, false, false);
}

/*
 * Whether recount_lock would not have to wait.
 */
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
 * Add to a chat's counters what they were found to be wrong by. Returns whether
 * it is still there.
 */
static bool
mend_chat(const RecountItem *chat)
{
	static SavedPlan plan = SAVED_PLAN(
		"UPDATE chat.chats"
		" SET messages_count = (messages_count OPERATOR(pg_catalog.+) $4)::pg_catalog.int4,"
		" last_message_number = GREATEST(last_message_number, $5)"
		" WHERE application_id OPERATOR(pg_catalog.=) $1 AND number OPERATOR(pg_catalog.=) $2"
		" AND created_at OPERATOR(pg_catalog.=) $3",
		INT4OID, INT4OID, TIMESTAMPTZOID, INT8OID, INT4OID);
	Datum		values[5] = {
		Int32GetDatum(chat->application), Int32GetDatum(chat->chat),
		TimestampTzGetDatum(chat->created_at),
		Int64GetDatum((int64) chat->counted - chat->count), Int32GetDatum(chat->highest)
	};

	return spi_plan_write(&plan, values, NULL) > 0;
}

/*
 * The same for an application. If it had no counters, it gets them; whoever
 * creates them meanwhile counts himself.
 */
static bool
mend_application(const RecountItem *application)
{
	static SavedPlan add = SAVED_PLAN(
		"UPDATE chat.application_counters AS k"
		" SET chats_count = (k.chats_count OPERATOR(pg_catalog.+) $3)::pg_catalog.int4,"
		" last_chat_number = GREATEST(k.last_chat_number, $4)"
		" FROM chat.applications AS a"
		" WHERE a.id OPERATOR(pg_catalog.=) $1 AND a.created_at OPERATOR(pg_catalog.=) $2"
		" AND k.application_id OPERATOR(pg_catalog.=) a.id",
		INT4OID, TIMESTAMPTZOID, INT8OID, INT4OID);
	static SavedPlan create = SAVED_PLAN(
		"INSERT INTO chat.application_counters (application_id, chats_count, last_chat_number)"
		" SELECT id, $3::pg_catalog.int4, $4 FROM chat.applications"
		" WHERE id OPERATOR(pg_catalog.=) $1 AND created_at OPERATOR(pg_catalog.=) $2"
		" FOR KEY SHARE ON CONFLICT DO NOTHING",
		INT4OID, TIMESTAMPTZOID, INT8OID, INT4OID);
	Datum		values[4] = {
		Int32GetDatum(application->application), TimestampTzGetDatum(application->created_at),
		Int64GetDatum((int64) application->counted - application->count),
		Int32GetDatum(application->highest)
	};

	return spi_plan_write(application->missing ? &create : &add, values, NULL) > 0;
}

/* A row of chat.repaired_counts. */
static void
record_repaired(int32 application, int32 chat, const char *counter,
			  int32 was, int32 new_value, void *context)
{
	static SavedPlan plan = SAVED_PLAN(
		"INSERT INTO chat.repaired_counts (application_id, chat_number, counter, old_value, new_value)"
		" VALUES ($1, NULLIF($2, 0), $3, $4, $5)",
		INT4OID, INT4OID, TEXTOID, INT4OID, INT4OID);
	Datum		values[5] = {
		Int32GetDatum(application), Int32GetDatum(chat), CStringGetTextDatum(counter),
		Int32GetDatum(was), Int32GetDatum(new_value)
	};

	spi_plan_write(&plan, values, NULL);
}

/*
 * Mend what was found wrong.
 */
void
recount_repair(RecountResult *result)
{
	for (int i = 0; i < result->wrong_count; i++)
	{
		RecountItem    *parent = &result->wrong[i];
		int			previous = number_cache_function_begin();

		parent->repaired = parent->chat != 0 ? mend_chat(parent) : mend_application(parent);
		number_cache_function_end(previous);
		if (parent->repaired)
			change_tracking_note(parent->application, parent->chat);
	}
	recount_report(result, record_repaired, NULL);
}

/*
 * Call back for each counter that was repaired.
 */
void
recount_report(const RecountResult *result, RepairCallback callback, void *context)
{
	for (int i = 0; i < result->wrong_count; i++)
	{
		const RecountItem *parent = &result->wrong[i];
		bool		is_chat = parent->chat != 0;

		if (!parent->repaired)
			continue;
		if (parent->counted != parent->count)
			callback(parent->application, parent->chat,
					 is_chat ? "messages_count" : "chats_count",
					 parent->count, parent->counted, context);
		if (parent->highest > parent->last_number)
			callback(parent->application, parent->chat,
					 is_chat ? "last_message_number" : "last_chat_number",
					 parent->last_number, parent->highest, context);
	}
}

/* Count parents with a statement; keeps those that are wrong. */
static void
count_with(SavedPlan *plan, const Datum *values, RecountResult *result)
{
	uint64		count = spi_plan_write(plan, values, NULL);

	for (uint64 row = 0; row < count; row++)
	{
		RecountItem		parent = {
			.application = spi_result_int32(row, 1),
			.chat = spi_result_int32(row, 2),
			.count = spi_result_int32(row, 3),
			.last_number = spi_result_int32(row, 4),
			.counted = spi_result_int32(row, 5),
			.highest = spi_result_int32(row, 6),
			.created_at = DatumGetTimestampTz(spi_result(row, 7, TIMESTAMPTZOID, NULL)),
			.missing = spi_result_int32(row, 8) != 0
		};

		if (parent.counted == parent.count && parent.highest <= parent.last_number)
			continue;
		if (result->wrong_count == result->wrong_capacity)
		{
			result->wrong_capacity = Max(64, 2 * result->wrong_capacity);
			result->wrong = result->wrong == NULL ?
				MemoryContextAlloc(result->context, result->wrong_capacity * sizeof(RecountItem)) :
				repalloc_huge(result->wrong, result->wrong_capacity * sizeof(RecountItem));
		}
		result->wrong[result->wrong_count++] = parent;
	}
	SPI_freetuptable(SPI_tuptable);
	result->examined += count;
}

/*
 * Count these parents, and add to *result what is wrong with them. Those that
 * do not exist are passed over. The caller has called recount_lock.
 */
void
recount_count(const ChatKey *parents, int count, RecountResult *result)
{
	static SavedPlan count_chats = SAVED_PLAN(
		CHAT_COUNTS
		" FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2)) AS k (application_id, number)"
		" JOIN chat.chats AS c ON c.application_id OPERATOR(pg_catalog.=) k.application_id"
		" AND c.number OPERATOR(pg_catalog.=) k.number"
		CHAT_CHILDREN,
		INT4ARRAYOID, INT4ARRAYOID);
	static SavedPlan count_applications = SAVED_PLAN(
		APPLICATION_COUNTS
		" FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2)) AS p (application_id, number)"
		" JOIN chat.applications AS a ON a.id OPERATOR(pg_catalog.=) p.application_id"
		" AND p.number OPERATOR(pg_catalog.=) 0"
		APPLICATION_CHILDREN,
		INT4ARRAYOID, INT4ARRAYOID);
	Datum		values[2];

	chat_keys_to_arrays(parents, count, values);
	count_with(&count_chats, values, result);
	count_with(&count_applications, values, result);
}

/* The parents that a statement finds. Returns their number. */
static int
next_parents(SavedPlan *plan, ChatKey *parents, int limit, ChatKey after, int32 last_application)
{
	Datum		values[4] = {
		Int32GetDatum(after.application), Int32GetDatum(after.chat),
		Int32GetDatum(last_application), Int64GetDatum(limit)
	};
	uint64		count = spi_plan_write(plan, values, NULL);

	for (uint64 row = 0; row < count; row++)
		parents[row] = (ChatKey) {spi_result_int32(row, 1), spi_result_int32(row, 2)};
	SPI_freetuptable(SPI_tuptable);
	return count;
}

/*
 * Put the first chats after a position, in key order and up to those of
 * last_application, into parents, which has room for limit. Returns their
 * number.
 */
int
recount_next_chats(ChatKey *parents, int limit, ChatKey after, int32 last_application)
{
	static SavedPlan plan = SAVED_PLAN(
		"SELECT application_id, number FROM chat.chats"
		" WHERE (application_id, number) OPERATOR(pg_catalog.>) ($1, $2)"
		" AND application_id OPERATOR(pg_catalog.<=) $3"
		" ORDER BY application_id, number LIMIT $4",
		INT4OID, INT4OID, INT4OID, INT8OID);

	return next_parents(&plan, parents, limit, after, last_application);
}

/*
 * The same for applications, whose chat is 0.
 */
int
recount_next_applications(ChatKey *parents, int limit, ChatKey after, int32 last_application)
{
	static SavedPlan plan = SAVED_PLAN(
		"SELECT id, $2 OPERATOR(pg_catalog.*) 0 FROM chat.applications"
		" WHERE id OPERATOR(pg_catalog.>) $1 AND id OPERATOR(pg_catalog.<=) $3"
		" ORDER BY id LIMIT $4",
		INT4OID, INT4OID, INT4OID, INT8OID);

	return next_parents(&plan, parents, limit, after, last_application);
}

/* A row of what chat.reconcile returns. */
static void
store_repaired(int32 application, int32 chat, const char *counter,
			 int32 was, int32 new_value, void *context)
{
	ReturnSetInfo *rsinfo = context;
	Datum		values[5] = {
		Int32GetDatum(application), Int32GetDatum(chat), CStringGetTextDatum(counter),
		Int32GetDatum(was), Int32GetDatum(new_value)
	};
	bool		nulls[5] = {false, chat == 0, false, false, false};

	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/* Count all that a walk comes by, up to the last application. */
static void
count_all(int (*next) (ChatKey *, int, ChatKey, int32), ChatKey position,
		  int32 last_application, RecountResult *result)
{
	ChatKey parents[RECOUNT_SLICE];
	int			count;

	do
	{
		CHECK_FOR_INTERRUPTS();
		count = next(parents, RECOUNT_SLICE, position, last_application);
		if (count == 0)
			return;
		recount_count(parents, count, result);
		position = parents[count - 1];
	} while (count == RECOUNT_SLICE);
}

/*
 * chat.reconcile(application integer, chat integer) returns setof chat.repaired_count
 */
Datum
chat_reconcile(PG_FUNCTION_ARGS)
{
	static SqlSignature signature = {
		SQL_ARGS(INT4OID, INT4OID), SQL_RETURNS_ROWS(INT4OID, INT4OID, TEXTOID, INT4OID, INT4OID)
	};
	bool		everything = PG_ARGISNULL(0);
	int32		application = everything ? PG_INT32_MAX : PG_GETARG_INT32(0);
	RecountResult	result = {.context = CurrentMemoryContext};
	TableOwnerSwitch caller;

	sql_signature_check(fcinfo, &signature, InvalidOid);
	PreventCommandDuringRecovery("chat.reconcile()");
	(void) sql_function_result_store(fcinfo, &signature);
	caller = table_owner_become(OWNER_SEES_ALL);
	if (everything && !PG_ARGISNULL(1))
		arg_error_raise(application_not_found());
	recount_lock();
	if (!PG_ARGISNULL(1))
	{
		ChatKey parent = {application, PG_GETARG_INT32(1)};

		chat_require(parent.application, parent.chat);
		recount_count(&parent, 1, &result);
	}
	else
	{
		ChatKey start = {everything ? PG_INT32_MIN : application - 1, PG_INT32_MAX};

		if (!everything)
			application_require(application);
		count_all(recount_next_chats, start, application, &result);
		count_all(recount_next_applications, start, application, &result);
	}
	recount_repair(&result);
	recount_report(&result, store_repaired, fcinfo->resultinfo);
	table_owner_leave(caller);
	return (Datum) 0;
}
