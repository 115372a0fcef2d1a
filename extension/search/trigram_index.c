/*
 * trigram_index.c
 *	  The search index of PostgreSQL alone.
 *
 * It is a GIN index of pg_trgm's trigrams on chat.fold(body), which somebody
 * asked for: it makes searches of large chats and of applications fast, and
 * each message dearer to write. The planner decides about its use, search by
 * search.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xlog.h"
#include "catalog/namespace.h"
#include "catalog/pg_index.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "common/compat.h"
#include "common/spi_plan.h"
#include "common/sql_signature.h"
#include "common/table_owner.h"
#include "search/trigram_index.h"

PG_FUNCTION_INFO_V1(chat_add_trigram_index);
PG_FUNCTION_INFO_V1(chat_drop_trigram_index);

#define WHERE_TO_LOOK "pg_stat_progress_create_index shows how far it is. Call chat.add_trigram_index() again to see what became of it."

/* How it is with the index. */
TrigramState
trigram_state(void)
{
	Oid			schema = get_namespace_oid("chat", false);
	Oid			index = get_relname_relid(TRIGRAM_INDEX, schema);
	HeapTuple	tuple = OidIsValid(index) ? SearchSysCache1(INDEXRELID, ObjectIdGetDatum(index)) : NULL;
	TrigramState state;

	if (!HeapTupleIsValid(tuple))
		return TRIGRAM_MISSING;
	state = ((Form_pg_index) GETSTRUCT(tuple))->indisvalid ? TRIGRAM_VALID : TRIGRAM_INVALID;
	ReleaseSysCache(tuple);
	return state;
}

/*
 * The pattern of LIKE for what contains a folded text, in the current memory
 * context.
 */
text *
trigram_pattern(const text *folded)
{
	const char *bytes = VARDATA_ANY(folded);
	StringInfoData pattern;

	initStringInfo(&pattern);
	appendStringInfoChar(&pattern, '%');
	for (int i = 0; i < VARSIZE_ANY_EXHDR(folded); i++)
	{
		if (bytes[i] == '%' || bytes[i] == '_' || bytes[i] == '\\')
			appendStringInfoChar(&pattern, '\\');
		appendStringInfoChar(&pattern, bytes[i]);
	}
	appendStringInfoChar(&pattern, '%');
	return cstring_to_text_with_len(pattern.data, pattern.len);
}

/* The schema of pg_trgm, or NULL if it is not there. Connected to SPI. */
char *
trigram_schema(void)
{
	static SavedPlan plan = {
		.sql = "SELECT n.nspname::pg_catalog.text FROM pg_catalog.pg_extension AS e"
		" JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) e.extnamespace"
		" WHERE e.extname OPERATOR(pg_catalog.=) 'pg_trgm'"
	};

	if (spi_plan_write(&plan, NULL, NULL) == 0)
		return NULL;
	return spi_result_string(0, 1, NULL);
}

/* Raise 55000 unless pg_trgm is there. */
static void
require_pg_trgm(void)
{
	static SavedPlan plan = {
		.sql = "SELECT FROM pg_catalog.pg_available_extensions WHERE name OPERATOR(pg_catalog.=) 'pg_trgm'"
	};

	if (trigram_schema() != NULL)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("the search index needs the extension pg_trgm"),
			 spi_plan_read(&plan, NULL) > 0 ? errhint("CREATE EXTENSION pg_trgm, then try again.")
			 : errhint("It comes with PostgreSQL's contrib modules; install them, CREATE EXTENSION pg_trgm, then try again.")));
}

/* Why the last build failed, or NULL. */
static char *
last_error(void)
{
	bool		isnull;
	static SavedPlan plan = {
		.sql = "SELECT last_error FROM chat_internal.worker_jobs WHERE job OPERATOR(pg_catalog.=) '" TRIGRAM_JOB "'"
		" AND last_error_at OPERATOR(pg_catalog.>=) last_run_at"
	};

	if (spi_plan_write(&plan, NULL, NULL) == 0)
		return NULL;
	return spi_result_string(0, 1, &isnull);
}

/*
 * Whether pg_trgm takes a Greek letter for one. In the locale C only those of
 * ASCII are, so that the index knows nothing of other scripts.
 */
static bool
knows_all_scripts(void)
{
	char	   *sql = psprintf("SELECT FROM (SELECT) AS s"
							   " WHERE pg_catalog.getdatabaseencoding() OPERATOR(pg_catalog.<>) 'UTF8'"
							   " OR pg_catalog.cardinality(%s.show_trgm(pg_catalog.chr(945))) OPERATOR(pg_catalog.>) 0",
							   quote_identifier(trigram_schema()));

	if (SPI_execute(sql, true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not ask pg_trgm what it takes for letters");
	return SPI_processed > 0;
}

/* Have the index built. Returns what there is to say about it. */
static char *
begin_build(void)
{
	StringInfoData answer;
	char	   *error = last_error();

	if (!trigram_build_begin())
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("could not start the process that builds the search index: all background workers are in use"),
				 errhint("Raise max_worker_processes.")));
	initStringInfo(&answer);
	appendStringInfoString(&answer, "The search index is being built from now on. The build waits for older transactions, this one too. " WHERE_TO_LOOK);
	if (!knows_all_scripts())
		appendStringInfoString(&answer, " In this database's locale it knows the letters of ASCII alone: searches for others do not use it.");
	if (error != NULL)
		appendStringInfo(&answer, " The last build failed: %s", error);
	return answer.data;
}

/*
 * chat.add_trigram_index() returns text
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
		answer = "The search index is being built. " WHERE_TO_LOOK;
	else if (trigram_state() == TRIGRAM_VALID)
		answer = "The search index is there.";
	else
		answer = begin_build();
	MemoryContextSwitchTo(context);
	result = cstring_to_text(answer);
	table_owner_leave(caller);
	PG_RETURN_TEXT_P(result);
}

/*
 * chat.drop_trigram_index() returns boolean
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
				 errmsg("the search index is being built"),
				 errhint("Wait, or cancel it: SELECT pg_cancel_backend(pid) FROM pg_stat_progress_create_index.")));
	exists = trigram_state() != TRIGRAM_MISSING;
	if (exists)
	{
		TableOwnerSwitch caller = table_owner_become(OWNER_SEES_ALL);

		if (SPI_execute("DROP INDEX chat." TRIGRAM_INDEX, false, 0) != SPI_OK_UTILITY)
			elog(ERROR, "could not drop the search index");
		table_owner_leave(caller);
	}
	PG_RETURN_BOOL(exists);
}
