/*
 * upgrade_rows.c
 *	  Changes of rows by an upgrade.
 *
 * An upgrade is run by a superuser, and the tables may belong to a role that
 * is not, with triggers of that role on them. So rows are changed as the
 * tables' owner, which a script cannot do.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/builtins.h"

#include "common/database_identity.h"
#include "common/spi_plan.h"
#include "common/sql_signature.h"
#include "common/table_owner.h"

PG_FUNCTION_INFO_V1(chat_upgrade_jobs);
PG_FUNCTION_INFO_V1(chat_upgrade_index_ids);

/*
 * chat_internal.upgrade_jobs() returns void
 *
 * From 0.1: one job gets another name, and each row gets its owner database. A
 * row that names a database already is that database's claim to the keys in
 * Redis. SET NOT NULL is proven from the table's CHECK constraints, whose
 * functions it calls: so the owner executes that, too.
 */
Datum
chat_upgrade_jobs(PG_FUNCTION_ARGS)
{
	static SqlSignature signature = {SQL_RETURNS(VOIDOID), .any_version = true};
	static SavedPlan update = SAVED_PLAN(
		"UPDATE chat_internal.worker_jobs SET job = CASE job WHEN 'search index' THEN 'trigram index' ELSE job END,"
		" claimed = owner_database IS NOT NULL, owner_database = COALESCE(owner_database, $1)",
		TEXTOID);
	TableOwnerSwitch caller;
	Datum		database;

	sql_signature_check(fcinfo, &signature, InvalidOid);
	database = CStringGetTextDatum(database_identity_current());
	caller = table_owner_become_of(TABLE_WORKER_JOBS, OWNER_SEES_ALL);
	spi_plan_write(&update, &database, NULL);
	spi_execute("ALTER TABLE chat_internal.worker_jobs"
				" ALTER COLUMN owner_database SET NOT NULL, ALTER COLUMN claimed SET NOT NULL");
	table_owner_leave(caller);
	PG_RETURN_VOID();
}

/* Add a number to a column of a table in chat_internal, as the table's owner. */
static void
add_to_column(ChatTable table, const char *name, const char *column, int32 added)
{
	TableOwnerSwitch caller = table_owner_become_of(table, OWNER_SEES_ALL);

	spi_execute(psprintf("UPDATE chat_internal.%s SET %s = %s + %d", name, column, column, added));
	table_owner_leave(caller);
}

/*
 * chat_internal.upgrade_index_ids() returns void
 *
 * From 0.1: ids of search indexes were 1, 2, 3, ... in each database, so that
 * rows of two databases could not stand in one table. They become random ones.
 */
Datum
chat_upgrade_index_ids(PG_FUNCTION_ARGS)
{
	static SqlSignature signature = {SQL_RETURNS(VOIDOID), .any_version = true};
	uint32		random;
	int32		added;

	sql_signature_check(fcinfo, &signature, InvalidOid);
	if (!pg_strong_random(&random, sizeof(random)))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate a random number")));
	/* Ids of 0.1 are small, so that the sum does not overflow. */
	added = 1 + random % (PG_INT32_MAX / 2);
	add_to_column(TABLE_SEARCH_INDEXES, "search_indexes", "id", added);
	add_to_column(TABLE_SEARCH_WATERMARKS, "search_watermarks", "index_id", added);
	add_to_column(TABLE_SEARCH_QUEUE, "search_queue", "index_id", added);
	PG_RETURN_VOID();
}
