/*
 * es_stray_rows.c
 *	  Rows about indexes of other databases.
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
 * A row that another transaction has locked, as a subscription does, is left
 * for the next time.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "bgworker/worker_xact.h"
#include "common/database_identity.h"
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

#define DELETION(table) \
	{ \
		.sql = "DELETE FROM chat_internal." table " WHERE ctid = ANY ($1)", \
		.by_tid = true, \
		.nargs = 1, \
		.argtypes = {TIDARRAYOID} \
	}

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
