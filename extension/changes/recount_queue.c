/*
 * recount_queue.c
 *	  Parents whose children are to be counted.
 *
 * A parent is a chat, which has messages, or an application, which has chats
 * and is queued as chat 0. Triggers queue a parent in
 * chat_internal.recount_queue, in the transaction that changed its children,
 * and the worker takes it from there: see counts/recount.c. A parent may be
 * queued more than once.
 *
 * The caller is connected to SPI, as the tables' owner.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"

#include "changes/recount_queue.h"
#include "common/spi_plan.h"
#include "common/tid_array.h"

/* Queue parents, except those whose application was deleted. */
void
recount_queue_add(const ChatKey *parents, int count)
{
	static SavedPlan plan = SAVED_PLAN(
		"INSERT INTO chat_internal.recount_queue (application_id, chat_number)"
		" SELECT k.* FROM ROWS FROM (unnest($1), unnest($2)) AS k (application_id, number)"
		" WHERE EXISTS (SELECT FROM chat.applications AS a WHERE a.id = k.application_id)",
		INT4ARRAYOID, INT4ARRAYOID);
	Datum		values[2];

	chat_keys_to_arrays(parents, count, values);
	spi_plan_write(&plan, values, NULL);
}

/*
 * Queue the parents that a query finds. It has the columns application_id and
 * chat_number, and may name a trigger's transition tables.
 */
void
recount_queue_add_from(const char *parents)
{
	spi_execute(psprintf("INSERT INTO chat_internal.recount_queue (application_id, chat_number) %s", parents));
}

/* Queue everything, as application 0. */
void
recount_queue_add_everything(void)
{
	spi_execute("INSERT INTO chat_internal.recount_queue (application_id, chat_number) VALUES (0, 0)");
}

/* Queue a parent again that could not be counted, unless it is queued. */
void
recount_queue_add_back(ChatKey parent)
{
	static SavedPlan plan = SAVED_PLAN(
		"INSERT INTO chat_internal.recount_queue (application_id, chat_number)"
		" SELECT $1, $2 WHERE NOT EXISTS (SELECT FROM chat_internal.recount_queue"
		" WHERE application_id = $1 AND chat_number = $2)",
		INT4OID, INT4OID);
	Datum		values[2] = {Int32GetDatum(parent.application), Int32GetDatum(parent.chat)};

	spi_plan_write(&plan, values, NULL);
}

/*
 * Read the first parents of the queue, in key order and above after, into
 * parents, which has room for limit. Returns their number.
 */
int
recount_queue_first(ChatKey *parents, int limit, ChatKey after)
{
	static SavedPlan plan = SAVED_PLAN(
		"SELECT DISTINCT application_id, chat_number FROM chat_internal.recount_queue"
		" WHERE (application_id, chat_number) > ($1, $2)"
		" ORDER BY application_id, chat_number LIMIT $3",
		INT4OID, INT4OID, INT8OID);
	Datum		values[3] = {
		Int32GetDatum(after.application), Int32GetDatum(after.chat), Int64GetDatum(limit)
	};
	uint64		count = spi_plan_read_fresh(&plan, values);
	int			application = spi_column("application_id");
	int			chat = spi_column("chat_number");

	for (uint64 row = 0; row < count; row++)
		parents[row] = (ChatKey) {spi_result_int32(row, application), spi_result_int32(row, chat)};
	return count;
}

/*
 * Remove parents from the queue. To be called before they are counted, so that
 * a change which the count does not see stays queued.
 */
void
recount_queue_remove(const ChatKey *parents, int count)
{
	static SavedPlan find = SAVED_PLAN(
		"SELECT q.ctid FROM ROWS FROM (unnest($1), unnest($2)) AS k (application_id, number),"
		" LATERAL (SELECT r.ctid FROM chat_internal.recount_queue AS r"
		" WHERE r.application_id = k.application_id AND r.chat_number = k.number FOR UPDATE) AS q",
		INT4ARRAYOID, INT4ARRAYOID);
	static SavedPlan delete = {
		.sql = "DELETE FROM chat_internal.recount_queue AS q USING unnest($1) AS k (tid) WHERE q.ctid = k.tid",
		.by_tid = true,
		.nargs = 1,
		.argtypes = {TIDARRAYOID}
	};
	Datum		values[2];
	Datum		tids;

	chat_keys_to_arrays(parents, count, values);
	if (spi_plan_write(&find, values, NULL) == 0)
		return;
	tids = tid_array_of_result("ctid");
	spi_plan_write(&delete, &tids, NULL);
}

/*
 * Take a parent out of the queue, and queue it once more: what is queued later
 * can be told from the mark that this returns.
 */
pg_uuid_t
recount_queue_mark(ChatKey parent)
{
	static SavedPlan plan = SAVED_PLAN(
		"INSERT INTO chat_internal.recount_queue (application_id, chat_number) VALUES ($1, $2) RETURNING id",
		INT4OID, INT4OID);
	Datum		values[2] = {Int32GetDatum(parent.application), Int32GetDatum(parent.chat)};

	recount_queue_remove(&parent, 1);
	if (spi_plan_write(&plan, values, NULL) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("no row can be inserted into chat_internal.recount_queue")));
	return *DatumGetUUIDP(spi_result(0, 1, UUIDOID, NULL));
}

/* Whether a parent was queued since it was marked, by itself or with everything. */
bool
recount_queue_has_others(ChatKey parent, pg_uuid_t mark)
{
	static SavedPlan plan = SAVED_PLAN(
		"SELECT FROM chat_internal.recount_queue"
		" WHERE (application_id = $1 AND chat_number = $2 AND id <> $3) OR (application_id = 0 AND chat_number = 0) LIMIT 1",
		INT4OID, INT4OID, UUIDOID);
	Datum		values[3] = {Int32GetDatum(parent.application), Int32GetDatum(parent.chat), UUIDPGetDatum(&mark)};

	return spi_plan_read_fresh(&plan, values) > 0;
}

/* Take a mark out of the queue, if it is there. */
void
recount_queue_remove_mark(ChatKey parent, pg_uuid_t mark)
{
	static SavedPlan plan = SAVED_PLAN(
		"DELETE FROM chat_internal.recount_queue WHERE application_id = $1 AND chat_number = $2 AND id = $3",
		INT4OID, INT4OID, UUIDOID);
	Datum		values[3] = {Int32GetDatum(parent.application), Int32GetDatum(parent.chat), UUIDPGetDatum(&mark)};

	spi_plan_write(&plan, values, NULL);
}
