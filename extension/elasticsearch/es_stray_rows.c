/*
 * es_stray_rows.c
 *	  Rows of indexes that are not this database's, and of chats that are gone.
 *
 * A copy of a database has the rows of the original's indexes, and a
 * subscription to all tables brings those of another database. They are never
 * used: a database looks for its indexes by its identity, and for rows about
 * an index by its id, which is random. Rows are stray, too, that were queued
 * for an index by transactions that were under way when its row was deleted.
 *
 * Stray rows only take room, so they are deleted here; but not if the deletion
 * would be published, since the rows' own database may be the subscriber, and
 * would lose its pending messages. There they are as many as that database
 * has.
 *
 * A chat that is deleted loses its watermark by a trigger. One that a subscription
 * deletes, or somebody without triggers, keeps it, and another chat with its key
 * would be taken to be in the index already. So watermarks are looked through in
 * turn.
 *
 * A row that somebody has locked, as a subscription does, is left for the next
 * time.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "bgworker/worker_xact.h"
#include "common/database_identity.h"
#include "common/keys.h"
#include "common/spi_plan.h"
#include "common/tid_array.h"
#include "elasticsearch/es_stray_rows.h"

/* The most rows that are deleted in one transaction. */
#define ROWS_MAX 10000

/*
 * Lock stray rows of a table whose primary key begins with index_id; the id of
 * each index is found by one step in the key. $1: this database, $2: the most
 * rows.
 */
#define LOCK_STRAYS(table) \
	"WITH RECURSIVE present (id) AS (" \
	"(SELECT t.index_id FROM chat_internal." table " AS t ORDER BY t.index_id LIMIT 1)" \
	" UNION ALL SELECT (SELECT t.index_id FROM chat_internal." table " AS t" \
	" WHERE t.index_id > p.id ORDER BY t.index_id LIMIT 1) FROM present AS p WHERE p.id IS NOT NULL)" \
	" SELECT s.ctid FROM present AS p, LATERAL (SELECT t.ctid FROM chat_internal." table " AS t" \
	" WHERE t.index_id = p.id LIMIT $2 FOR UPDATE SKIP LOCKED) AS s" \
	" WHERE NOT EXISTS (SELECT FROM chat_internal.search_indexes AS i WHERE i.id = p.id AND i.owner_database = $1 OFFSET 0)" \
	" LIMIT $2"

#define DELETION(table) TID_ARRAY_PLAN("DELETE FROM chat_internal." table " WHERE ctid = ANY ($1)")

/* A table that may have stray rows: the statements that lock and then delete them. */
typedef struct StrayRows
{
	SavedPlan	lock;
	SavedPlan	delete;
} StrayRows;

static StrayRows tables[] = {
	{
		SAVED_PLAN("SELECT i.ctid FROM chat_internal.search_indexes AS i WHERE i.owner_database <> $1"
				   " LIMIT $2 FOR UPDATE SKIP LOCKED", TEXTOID, INT8OID),
		DELETION("search_indexes")
	},
	{SAVED_PLAN(LOCK_STRAYS("search_watermarks"), TEXTOID, INT8OID), DELETION("search_watermarks")},
	{SAVED_PLAN(LOCK_STRAYS("search_queue"), TEXTOID, INT8OID), DELETION("search_queue")}
};

/* Delete some of a table's stray rows. Returns their number. */
static uint64
delete_some(StrayRows *table)
{
	Datum		values[2] = {CStringGetTextDatum(database_identity_current()), Int64GetDatum(ROWS_MAX)};
	uint64		count;

	worker_xact_begin("deleting rows of other databases' indexes");
	count = spi_plan_write(&table->lock, values, NULL);
	if (count > 0)
	{
		values[0] = tid_array_of_result("ctid");
		spi_plan_write(&table->delete, values, NULL);
	}
	worker_xact_commit();
	return count;
}

/* Whether deletions from tables of this schema are published. */
static bool
are_published(void)
{
	static SavedPlan plan = {
		.sql = "SELECT FROM pg_catalog.pg_publication_tables AS t"
		" JOIN pg_catalog.pg_publication AS p ON p.pubname = t.pubname"
		" WHERE p.pubdelete AND t.schemaname = 'chat_internal' LIMIT 1"
	};
	bool		published;

	worker_xact_begin("looking for publications");
	published = spi_plan_read_fresh(&plan, NULL) > 0;
	worker_xact_commit();
	return published;
}

/* The key of the last watermark among the next ones above a key. Returns false if there are no so many. */
static bool
watermark_after(int32 index, ChatKey *chat)
{
	static SavedPlan plan = SAVED_PLAN(
		"SELECT application_id, chat_number FROM chat_internal.search_watermarks"
		" WHERE index_id = $1 AND (application_id, chat_number) > ($2, $3)"
		" ORDER BY application_id, chat_number OFFSET " CppAsString2(ROWS_MAX) " - 1 LIMIT 1",
		INT4OID, INT4OID, INT4OID);
	Datum		values[3] = {Int32GetDatum(index), Int32GetDatum(chat->application), Int32GetDatum(chat->chat)};

	if (spi_plan_read_fresh(&plan, values) == 0)
		return false;
	*chat = (ChatKey) {spi_result_int32(0, spi_column("application_id")), spi_result_int32(0, spi_column("chat_number"))};
	return true;
}

/*
 * Look at the next watermarks of an index, in turn, and delete those of chats
 * that are gone.
 */
void
es_stray_rows_delete_next(int32 index)
{
	static SavedPlan lock = SAVED_PLAN(
		"SELECT w.ctid FROM chat_internal.search_watermarks AS w"
		" WHERE w.index_id = $1 AND (w.application_id, w.chat_number) > ($2, $3)"
		" AND (w.application_id, w.chat_number) <= ($4, $5)"
		" AND NOT EXISTS (SELECT FROM chat.chats AS c"
		" WHERE c.application_id = w.application_id AND c.number = w.chat_number OFFSET 0)"
		" FOR UPDATE OF w SKIP LOCKED",
		INT4OID, INT4OID, INT4OID, INT4OID, INT4OID);
	static SavedPlan delete = DELETION("search_watermarks");
	static ChatKey position = {0, 0};
	ChatKey		through = position;
	bool		more;
	Datum		values[5];

	worker_xact_begin("deleting watermarks of chats that are gone");
	more = watermark_after(index, &through);
	if (!more)
		through = (ChatKey) {PG_INT32_MAX, PG_INT32_MAX};
	values[0] = Int32GetDatum(index);
	values[1] = Int32GetDatum(position.application);
	values[2] = Int32GetDatum(position.chat);
	values[3] = Int32GetDatum(through.application);
	values[4] = Int32GetDatum(through.chat);
	if (spi_plan_write(&lock, values, NULL) > 0)
	{
		values[0] = tid_array_of_result("ctid");
		spi_plan_write(&delete, values, NULL);
	}
	worker_xact_commit();
	position = more ? through : (ChatKey) {0, 0};
}

/*
 * Delete stray rows, unless that would be published. Outside of a transaction.
 */
void
es_stray_rows_delete(void)
{
	if (are_published())
		return;
	for (int i = 0; i < lengthof(tables); i++)
		while (delete_some(&tables[i]) == ROWS_MAX)
			CHECK_FOR_INTERRUPTS();
}
