/*
 * purge.c
 *	  Rows of what was deleted, and their removal.
 *
 * What is deleted may have a hundred million rows. So it is only marked, by
 * deleted_at, and is gone for all functions from then on (see deletion.c). Its
 * rows are removed afterwards, so many in a transaction: that is a purge. It
 * locks what was deleted alone, where nobody else has business, and can end
 * after any of its transactions, or be killed: what is left is still marked.
 *
 * An application's chats are marked like it, so many in a transaction; then they
 * are purged one after another; an application that has none left goes in the
 * next walk.
 *
 * Whatever others have locked, another purge for instance, is passed over.
 *
 * The caller is connected to SPI, as the tables' owner, and commits.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "common/database_identity.h"
#include "common/spi_plan.h"
#include "common/tid_array.h"
#include "core/number_cache.h"
#include "core/purge.h"

/* Run a statement that has the key of something deleted as its parameters. */
static uint64
write_by_key(SavedPlan *plan, ChatKey key)
{
	Datum		values[2] = {Int32GetDatum(key.application), Int32GetDatum(key.chat)};

	return spi_plan_write(plan, values, NULL);
}

/*
 * Mark the next chats of a deleted application, limit at most, above a number;
 * *above becomes the last one. wait: whether to wait for those that others have
 * locked. Returns how many there were.
 */
uint64
purge_mark_chats(int32 application, int32 *above, int limit, bool wait)
{
#define LOCK_CHATS(how) \
	SAVED_PLAN("SELECT number, ctid FROM chat.chats WHERE application_id = $1 AND number > $2" \
			   " AND deleted_at IS NULL ORDER BY number LIMIT $3 FOR NO KEY UPDATE" how, INT4OID, INT4OID, INT8OID)
	static SavedPlan lock = LOCK_CHATS("");
	static SavedPlan lock_unlocked = LOCK_CHATS(" SKIP LOCKED");
	static SavedPlan mark = {
		.sql = "UPDATE chat.chats SET deleted_at = clock_timestamp(), deleted_in = $2 WHERE ctid = ANY ($1)",
		.by_tid = true,
		.nargs = 2,
		.argtypes = {TIDARRAYOID, TEXTOID}
	};
	Datum		values[3] = {Int32GetDatum(application), Int32GetDatum(*above), Int64GetDatum(limit)};
	uint64		found = spi_plan_write(wait ? &lock : &lock_unlocked, values, NULL);

	if (found == 0)
		return 0;
	*above = spi_result_int32(found - 1, 1);
	values[0] = tid_array_of_result("ctid");
	values[1] = CStringGetTextDatum(database_identity_current());
	return spi_plan_write(&mark, values, NULL);
}

/* Remove the row of a deleted application that has no chats left. Returns whether it had none. */
static bool
remove_application(int32 application)
{
	static SavedPlan plan = SAVED_PLAN(
		"DELETE FROM chat.applications WHERE id = $1 AND deleted_at IS NOT NULL"
		" AND NOT EXISTS (SELECT FROM chat.chats AS c WHERE c.application_id = $1)",
		INT4OID);
	Datum		value = Int32GetDatum(application);

	return spi_plan_write(&plan, &value, NULL) > 0;
}

/* Remove the row of a deleted chat. Messages that are left go with it. */
static void
remove_chat(ChatKey chat)
{
	static SavedPlan plan = SAVED_PLAN(
		"DELETE FROM chat.chats WHERE application_id = $1 AND number = $2 AND deleted_at IS NOT NULL",
		INT4OID, INT4OID);

	write_by_key(&plan, chat);
}

/*
 * Remove the next messages of a deleted chat, limit at most; *rows is raised by
 * how many. Returns whether there were any.
 *
 * The statement begins where the last step did: it finds that step's rows dead,
 * and says so to the index. Else the check that ends it all, of the reference to
 * the chat, would have to look at every row of the chat once more.
 */
static bool
remove_messages(ChatKey chat, Purge *purge, int limit, uint64 *rows)
{
	static SavedPlan find = SAVED_PLAN(
		"SELECT COALESCE(max(m.number), 0) AS last FROM"
		" (SELECT messages.number FROM chat.messages WHERE messages.application_id = $1 AND messages.chat_number = $2"
		" AND messages.number > $3 ORDER BY messages.number LIMIT $4) AS m",
		INT4OID, INT4OID, INT4OID, INT8OID);
	static SavedPlan delete = SAVED_PLAN(
		"DELETE FROM chat.messages WHERE application_id = $1 AND chat_number = $2 AND number > $3 AND number <= $4",
		INT4OID, INT4OID, INT4OID, INT4OID);
	Datum		values[4] = {
		Int32GetDatum(chat.application), Int32GetDatum(chat.chat), Int32GetDatum(purge->through), Int64GetDatum(limit)
	};
	int32		last;

	spi_plan_read_fresh(&find, values);
	last = spi_result_int32(0, spi_column("last"));
	if (last == 0)
		return false;
	values[2] = Int32GetDatum(purge->began);
	values[3] = Int32GetDatum(last);
	purge->began = purge->through;
	purge->through = last;
	*rows += spi_plan_write(&delete, values, NULL);
	return true;
}

/*
 * Remove the next rows of a deleted chat that are not its messages, limit at most; *rows is
 * raised by how many. Returns whether there were any.
 */
static bool
remove_other_rows(ChatKey chat, int limit, uint64 *rows)
{
#define ROWS_OF_CHAT(table) \
	{ \
		SAVED_PLAN("SELECT ctid FROM " table " WHERE application_id = $1 AND chat_number = $2 LIMIT $3 FOR UPDATE", \
				   INT4OID, INT4OID, INT8OID), \
		TID_ARRAY_PLAN("DELETE FROM " table " WHERE ctid = ANY ($1)") \
	}
	static struct
	{
		SavedPlan	lock;
		SavedPlan	delete;
	}			tables[] = {
		ROWS_OF_CHAT("chat.cursors"), ROWS_OF_CHAT("chat.consumer_positions"), ROWS_OF_CHAT("chat_internal.deleted_messages")
	};
	Datum		values[3] = {Int32GetDatum(chat.application), Int32GetDatum(chat.chat), Int64GetDatum(limit)};
	uint64		removed = 0;

	for (int i = 0; i < lengthof(tables) && removed == 0; i++)
		removed = tid_array_write(&tables[i].lock, values, &tables[i].delete);
	*rows += removed;
	return removed > 0;
}

/* Whether what was deleted, and is locked by this transaction, has few rows; exactly, whatever its counters say. */
static bool
has_few_rows(ChatKey deleted)
{
#define ROWS_OF(table, of) "(SELECT FROM " table " AS o WHERE o.application_id = $1 AND o.chat_number " of " $2 LIMIT $3)"
#define ROWS(of) \
	SAVED_PLAN("SELECT FROM (" ROWS_OF("chat.messages", of) " UNION ALL " ROWS_OF("chat.cursors", of) \
			   " UNION ALL " ROWS_OF("chat.consumer_positions", of) " UNION ALL " ROWS_OF("chat_internal.deleted_messages", of) ") AS r LIMIT $3", INT4OID, INT4OID, INT8OID)
	static SavedPlan of_chat = ROWS("=");
	static SavedPlan of_application = ROWS(">");
	Datum		values[3] = {
		Int32GetDatum(deleted.application), Int32GetDatum(deleted.chat), Int64GetDatum(PURGE_ROWS + 1)
	};

	return spi_plan_read_fresh(deleted.chat != 0 ? &of_chat : &of_application, values) <= PURGE_ROWS;
}

/*
 * Purge a chat, or an application whose chats are all marked, in this
 * transaction, if it has no more than PURGE_ROWS messages, cursors and the like.
 * Returns whether it had not. After number_cache_function_begin.
 */
bool
purge_at_once(ChatKey deleted)
{
	static SavedPlan messages = SAVED_PLAN("DELETE FROM chat.messages WHERE application_id = $1", INT4OID);
	static SavedPlan chats = SAVED_PLAN("DELETE FROM chat.chats WHERE application_id = $1 AND deleted_at IS NOT NULL", INT4OID);
	Purge		purge = {.under_way = false};
	uint64		rows = 0;

	if (!has_few_rows(deleted))
		return false;
	if (deleted.chat == 0)
	{
		write_by_key(&messages, deleted);
		write_by_key(&chats, deleted);
		return remove_application(deleted.application);
	}
	remove_messages(deleted, &purge, PURGE_ROWS, &rows);
	remove_chat(deleted);
	return true;
}

/* Do a step of an application. Returns whether there is more of it to do in this walk. */
static bool
step_application(Purge *purge, int limit, uint64 *rows)
{
	static SavedPlan lock = SAVED_PLAN(
		"SELECT FROM chat.applications WHERE id = $1 AND deleted_at IS NOT NULL FOR UPDATE SKIP LOCKED",
		INT4OID);
	int32		application = purge->position.application;
	uint64		marked;

	if (write_by_key(&lock, purge->position) == 0)
		return false;
	marked = purge_mark_chats(application, &purge->through, limit, false);
	*rows += marked;
	if (marked == limit)
		return true;
	*rows += remove_application(application);
	return false;
}

/* Do a step of a chat. Returns whether there is more of it. */
static bool
step_chat(Purge *purge, int limit, uint64 *rows)
{
	static SavedPlan lock = SAVED_PLAN(
		"SELECT FROM chat.chats WHERE application_id = $1 AND number = $2 AND deleted_at IS NOT NULL FOR UPDATE SKIP LOCKED",
		INT4OID, INT4OID);

	if (write_by_key(&lock, purge->position) == 0)
		return false;
	if (remove_messages(purge->position, purge, limit, rows) || remove_other_rows(purge->position, limit, rows))
		return true;
	remove_chat(purge->position);
	*rows += 1;
	return false;
}

/* Go on to what was deleted and comes next. Returns false at the end; then the walk may begin anew. */
static bool
go_on(Purge *purge)
{
	static SavedPlan plan = SAVED_PLAN(
		"SELECT n.application_id, n.chat_number FROM"
		" ((SELECT a.id AS application_id, 0 AS chat_number FROM chat.applications AS a"
		" WHERE a.deleted_at IS NOT NULL AND (a.deleted_in = $3 OR $4) AND a.id > $1 ORDER BY a.id LIMIT 1)"
		" UNION ALL (SELECT c.application_id, c.number FROM chat.chats AS c"
		" WHERE c.deleted_at IS NOT NULL AND (c.deleted_in = $3 OR $4) AND (c.application_id, c.number) > ($1, $2)"
		" ORDER BY c.application_id, c.number LIMIT 1)) AS n"
		" ORDER BY n.application_id, n.chat_number LIMIT 1",
		INT4OID, INT4OID, TEXTOID, BOOLOID);
	Datum		values[4] = {
		Int32GetDatum(purge->position.application), Int32GetDatum(purge->position.chat),
		CStringGetTextDatum(database_identity_current()), BoolGetDatum(purge->of_others)
	};
	bool		found = spi_plan_read_fresh(&plan, values) > 0;

	*purge = (Purge) {.of_others = purge->of_others, .under_way = found};
	if (found)
		purge->position = (ChatKey) {
			spi_result_int32(0, spi_column("application_id")), spi_result_int32(0, spi_column("chat_number"))
		};
	return found;
}

/*
 * Do the next step of a walk, in this transaction: remove or mark limit rows at
 * most, of what it is at. *rows is raised by how many. Returns false at the end
 * of the walk. After an error, whose transaction is rolled back, under_way has to
 * be set to false, and the walk goes on with what comes next.
 */
bool
purge_step(Purge *purge, int limit, uint64 *rows)
{
	int			previous;

	if (!purge->under_way && !go_on(purge))
		return false;
	previous = number_cache_function_begin();
	purge->under_way = purge->position.chat == 0 ?
		step_application(purge, limit, rows) : step_chat(purge, limit, rows);
	number_cache_function_end(previous);
	return true;
}
