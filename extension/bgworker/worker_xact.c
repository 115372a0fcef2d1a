/*
 * worker_xact.c
 *	  Transactions of a background worker.
 *
 * A worker is a superuser, and the tables may belong to a role that is not,
 * with triggers of that role on them. So each transaction runs with the rights
 * of the tables' owner. It begins with the settings that the worker needs,
 * whatever a trigger changed in the one before.
 */
#include "postgres.h"

#include "access/xact.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timeout.h"

#include "bgworker/worker_xact.h"
#include "common/chat_tables.h"
#include "common/schema_version.h"

/* The memory context to return to after the transaction. */
static MemoryContext outer_context = NULL;

/*
 * Set defaults that every transaction of the process begins with, in place of
 * settings of the database that a worker cannot use. Called once, by the
 * process's main function.
 *
 *	- A commit does not wait for the disk: a crash undoes a repair together with the
 *	  record of it.
 *	- No lock is awaited for long, since others may wait for locks of the worker.
 *	- Counting may take long, and errors do not end the process.
 *	- Statements do not qualify operators, so no other schema is searched.
 *	- A policy that hides rows is an error: hidden rows would be counted or compared as
 *	  missing ones.
 *
 * Settings that this version of PostgreSQL lacks are left out.
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

/*
 * Begin a transaction with the rights of a role, connected to SPI, with a
 * snapshot; pg_stat_activity shows activity.
 *
 * Not even SET ROLE leads back to the worker's own rights, which are a
 * superuser's. Triggers may be deferred to the commit, unlike in
 * table_owner_become(), since the rights of the role last until after it.
 * Raises 55000 if the library no longer fits the schema.
 */
static void
begin_as(Oid (*role) (void), const char *activity)
{
	outer_context = CurrentMemoryContext;
	ResetAllOptions();
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	schema_version_require();
	SetUserIdAndSecContext(role(), SECURITY_LOCAL_USERID_CHANGE);
	SPI_connect();
	PushActiveSnapshot(GetTransactionSnapshot());
	pgstat_report_activity(STATE_RUNNING, activity);
}

/* Begin a transaction as the owner of all tables. Raises 55000 if they have several. */
void
worker_xact_begin(const char *activity)
{
	begin_as(chat_tables_owner, activity);
}

static Oid
owner_of_jobs(void)
{
	return chat_table_owner(TABLE_WORKER_JOBS);
}

/*
 * Begin a transaction that accesses nothing but chat_internal.worker_jobs.
 * Works also if the tables have several owners, so that this can be recorded
 * there.
 */
void
worker_xact_begin_for_jobs(const char *activity)
{
	begin_as(owner_of_jobs, activity);
}

/*
 * Have the open transaction fail with 57014 after so many milliseconds.
 */
void
worker_xact_limit(int timeout_ms)
{
	enable_timeout_after(STATEMENT_TIMEOUT, timeout_ms);
}

/* Lift the limit, if there is one. If it has just been reached, it must not end what follows. */
static void
lift_limit(void)
{
	disable_timeout(STATEMENT_TIMEOUT, true);
	if (get_timeout_indicator(STATEMENT_TIMEOUT, true))
		QueryCancelPending = false;
}

/*
 * Commit, and return to the worker's rights, as an abort does by itself, and to
 * the memory context from before the transaction.
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
 * In a PG_CATCH block, after the error was handled: discard it, leave any
 * transaction, and switch to this memory context.
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
