/*
 * trigram_functions.c
 *	  SQL functions that add and drop the trigram index.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"

#include "common/compat.h"
#include "common/spi_plan.h"
#include "common/sql_signature.h"
#include "common/table_owner.h"
#include "search/trigram_build.h"
#include "search/trigram_index.h"

PG_FUNCTION_INFO_V1(chat_add_trigram_index);
PG_FUNCTION_INFO_V1(chat_drop_trigram_index);

#define WHERE_TO_LOOK "pg_stat_progress_create_index shows how far it is. Call chat.add_trigram_index() again to see what became of it."

/* Raise 55000 unless pg_trgm is installed. */
static void
require_pg_trgm(void)
{
	static SavedPlan plan = {
		.sql = "SELECT FROM pg_available_extensions WHERE name = 'pg_trgm'"
	};

	if (trigram_schema() != NULL)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("the trigram index needs the extension pg_trgm"),
			 spi_plan_read(&plan, NULL) > 0 ? errhint("CREATE EXTENSION pg_trgm, then try again.")
			 : errhint("It comes with PostgreSQL's contrib modules; install them, CREATE EXTENSION pg_trgm, then try again.")));
}

/* Why the last build failed, or NULL. */
static char *
last_error(void)
{
	static SavedPlan plan = {
		.sql = "SELECT last_error FROM chat.worker_status"
		" WHERE job = '" TRIGRAM_JOB "' AND last_error_at >= last_run_at"
	};
	bool		isnull;

	if (spi_plan_read_fresh(&plan, NULL) == 0)
		return NULL;
	return spi_result_string(0, spi_column("last_error"), &isnull);
}

/*
 * Whether pg_trgm considers a Greek letter to be a letter. In the locale C only
 * those of ASCII are, so that the index would not have other scripts.
 */
static bool
knows_all_scripts(void)
{
	char	   *sql = psprintf("SELECT FROM (SELECT) AS s"
							   " WHERE getdatabaseencoding() <> 'UTF8' OR cardinality(%s.show_trgm(chr(945))) > 0",
							   quote_identifier(trigram_schema()));

	if (SPI_execute(sql, true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not ask pg_trgm what it takes for letters");
	return SPI_processed > 0;
}

/* Start to build the index. Returns a message about that. */
static char *
begin_build(void)
{
	StringInfoData answer;
	char	   *error = last_error();

	if (!trigram_build_begin())
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("could not start the process that builds the trigram index: all background workers are in use"),
				 errhint("Raise max_worker_processes.")));
	initStringInfo(&answer);
	appendStringInfoString(&answer, "The trigram index is being built from now on. The build waits for older transactions, this one too. " WHERE_TO_LOOK);
	if (!knows_all_scripts())
		appendStringInfoString(&answer, " In this database's locale it knows the letters of ASCII alone: searches for others do not use it.");
	if (error != NULL)
		appendStringInfo(&answer, " The last build failed: %s", error);
	return answer.data;
}

/*
 * chat.add_trigram_index() returns text
 *
 * Starts to build the index, unless it exists, and returns a message about its
 * state. Raises 25006 on a standby, 55000 if pg_trgm is missing, and 53400 if
 * all background workers are in use.
 */
Datum
chat_add_trigram_index(PG_FUNCTION_ARGS)
{
	static SqlSignature signature = {SQL_RETURNS(TEXTOID)};
	MemoryContext context = CurrentMemoryContext;
	TableOwnerSwitch caller;
	const char *answer;
	text	   *result;

	sql_signature_check(fcinfo, &signature, InvalidOid);
	if (RecoveryInProgress())
		ereport(ERROR,
				(errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION),
				 errmsg("a standby builds no index"),
				 errhint("Call chat.add_trigram_index() on the primary.")));
	caller = table_owner_become(OWNER_SEES_ALL);
	require_pg_trgm();
	if (trigram_build_runs())
		answer = "The trigram index is being built. " WHERE_TO_LOOK;
	else if (trigram_state() == TRIGRAM_VALID)
		answer = "The trigram index is there.";
	else
		answer = begin_build();
	MemoryContextSwitchTo(context);
	result = cstring_to_text(answer);
	table_owner_leave(caller);
	PG_RETURN_TEXT_P(result);
}

/*
 * chat.drop_trigram_index() returns boolean
 *
 * Drops the index. Returns whether there was one. Raises 55006 while it is
 * being built.
 */
Datum
chat_drop_trigram_index(PG_FUNCTION_ARGS)
{
	static SqlSignature signature = {SQL_RETURNS(BOOLOID)};
	bool		exists;

	sql_signature_check(fcinfo, &signature, InvalidOid);
	if (trigram_build_runs())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("the trigram index is being built"),
				 errhint("Wait, or cancel it: SELECT pg_cancel_backend(pid) FROM pg_stat_progress_create_index.")));
	exists = trigram_state() != TRIGRAM_MISSING;
	if (exists)
	{
		TableOwnerSwitch caller = table_owner_become(OWNER_SEES_ALL);

		if (SPI_execute("DROP INDEX chat." TRIGRAM_INDEX, false, 0) != SPI_OK_UTILITY)
			elog(ERROR, "could not drop the trigram index");
		table_owner_leave(caller);
	}
	PG_RETURN_BOOL(exists);
}
