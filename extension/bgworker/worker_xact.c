/*
 * worker_xact.c
 *	  Transactions of a background worker.
 *
 * A worker is a superuser, and the tables may belong to a role that is none,
 * with triggers of that role on them. So each transaction runs with the rights
 * of the tables' owner, and begins with the settings that the worker needs,
 * whatever a trigger made of them in the one before.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timeout.h"

#include "bgworker/worker_xact.h"

/* The memory context to return to after the transaction. */
static MemoryContext outer_context = NULL;

/*
 * Replace settings of the database that would not do for a worker, as defaults
 * that every transaction begins with. Called once, by the process's main
 * function.
 *
 * - A commit is not waited for: a crash takes back a repair together with the
 *   note that it was done.
 * - No lock is waited for long: others may wait for those that the worker has.
 * - Counting takes its time, and errors do not end the process.
 * - Statements do not name the schema of an operator, so no other schema is
 *   searched.
 * - A policy that hides rows is an error: a worker that counts or compares
 *   would take hidden rows for missing ones.
 *
 * Not every version has all of them.
 */
void
worker_xact_fix_settings(void)
{
	static const char *const settings[][2] = {
		{"synchronous_commit", "off"},
		{"lock_timeout", "100ms"},
		{"transaction_timeout", "0"},
		{"exit_on_error", "off"},
		{"search_path", "pg_catalog, pg_temp"},
		{"row_security", "off"},
		{"default_transaction_read_only", "off"},
		{"default_transaction_isolation", "read committed"}
	};

	for (int i = 0; i < lengthof(settings); i++)
		if (GetConfigOption(settings[i][0], true, false) != NULL)
			SetConfigOption(settings[i][0], settings[i][1], PGC_SUSET, PGC_S_OVERRIDE);
}

/* The owner of a table. Raises 42P01 if there is no such table. */
static Oid
table_owner(const char *schema, const char *table)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(
		get_relname_relid(table, get_namespace_oid(schema, false))));
	Oid			owner;

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation \"%s.%s\" does not exist", schema, table)));
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	return owner;
}

/*
 * Begin a transaction for one table, connected to SPI, with a snapshot;
 * pg_stat_activity shows activity.
 *
 * It has the rights of the table's owner: not even SET ROLE leads back to those
 * of the worker. Deferred triggers are allowed, unlike in a security-restricted
 * operation, since these rights last beyond the commit.
 */
void
worker_xact_begin_as_owner_of(const char *schema, const char *table, const char *activity)
{
	outer_context = CurrentMemoryContext;
	ResetAllOptions();
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	SetUserIdAndSecContext(table_owner(schema, table), SECURITY_LOCAL_USERID_CHANGE);
	SPI_connect();
	PushActiveSnapshot(GetTransactionSnapshot());
	pgstat_report_activity(STATE_RUNNING, activity);
}

/* The same for all tables, which belong to one role. */
void
worker_xact_begin(const char *activity)
{
	worker_xact_begin_as_owner_of("chat", "chats", activity);
}

/*
 * Have the open transaction fail with 57014 after so many milliseconds.
 */
void
worker_xact_limit(int timeout_ms)
{
	enable_timeout_after(STATEMENT_TIMEOUT, timeout_ms);
}

/* Lift the limit, if there is one; if it has just been reached, it was not meant for what follows. */
static void
lift_limit(void)
{
	disable_timeout(STATEMENT_TIMEOUT, true);
	if (get_timeout_indicator(STATEMENT_TIMEOUT, true))
		QueryCancelPending = false;
}

/*
 * Commit, and return to the worker's rights, as an abort does by itself, and to
 * the memory context of before.
 */
void
worker_xact_commit(void)
{
	lift_limit();
	SPI_finish();
	PopActiveSnapshot();
	CommitTransactionCommand();
	SetUserIdAndSecContext(GetSessionUserId(), 0);
	MemoryContextSwitchTo(outer_context);
	pgstat_report_stat(true);
	pgstat_report_activity(STATE_IDLE, NULL);
}

/*
 * In a PG_CATCH block, when the error has been used: forget it and be outside of
 * any transaction, in a memory context.
 */
void
worker_xact_abort(MemoryContext context)
{
	HOLD_INTERRUPTS();
	lift_limit();
	FlushErrorState();
	AbortOutOfAnyTransaction();
	MemoryContextSwitchTo(context);
	pgstat_report_activity(STATE_IDLE, NULL);
	RESUME_INTERRUPTS();
}
