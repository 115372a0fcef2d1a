/*
 * trigram_build.c
 *	  The process that builds the trigram index.
 *
 * CREATE INDEX CONCURRENTLY, which does not block writers, must not run within
 * a transaction, as a function does; and it waits for all older transactions.
 * So it has a background worker of its own, which exits when it is done. The
 * outcome is recorded in chat_internal.worker_jobs.
 */
#include "postgres.h"

#include "access/xact.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/lock.h"
#include "tcop/tcopprot.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/snapmgr.h"

#include "bgworker/job.h"
#include "bgworker/worker_start.h"
#include "bgworker/worker_xact.h"
#include "common/compat.h"
#include "search/trigram_build.h"
#include "search/trigram_index.h"

PGDLLEXPORT void pg_chat_build_main(Datum argument);

#define BUILDER_TYPE "pg_chat index builder"

/*
 * Register and start the process. Returns false if all background workers are
 * in use.
 */
bool
trigram_build_begin(void)
{
	BackgroundWorker worker = worker_description(MyDatabaseId);
	BackgroundWorkerHandle *handle;
	pid_t		pid;

	strlcpy(worker.bgw_function_name, "pg_chat_build_main", BGW_MAXLEN);
	strlcpy(worker.bgw_type, BUILDER_TYPE, BGW_MAXLEN);
	snprintf(worker.bgw_name, BGW_MAXLEN, BUILDER_TYPE " for database %u", MyDatabaseId);
	worker.bgw_notify_pid = MyProcPid;
	if (!RegisterDynamicBackgroundWorker(&worker, &handle))
		return false;
	WaitForBackgroundWorkerStartup(handle, &pid);
	return true;
}

/*
 * The lock that a build holds: an advisory lock, of a class that SQL cannot
 * reach.
 */
static LOCKTAG
build_lock(void)
{
	LOCKTAG		tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, WORKER_LOCK_KEY, 1, WORKER_LOCK_CLASS);
	return tag;
}

/* Whether the index is being built. */
bool
trigram_build_runs(void)
{
	LOCKTAG		tag = build_lock();

	if (LockAcquire(&tag, ExclusiveLock, false, true) == LOCKACQUIRE_NOT_AVAIL)
		return true;
	LockRelease(&tag, ExclusiveLock, false);
	return false;
}

/* Execute a command that must not run within a transaction. */
static void
run_at_top_level(const char *sql)
{
	MemoryContext context = CurrentMemoryContext;
	PlannedStmt *statement = makeNode(PlannedStmt);
	QueryCompletion completion;

	statement->commandType = CMD_UTILITY;
	statement->utilityStmt = linitial_node(RawStmt, pg_parse_query(sql))->stmt;
	statement->stmt_location = -1;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	/* Its data must outlive the transactions that the command itself commits. */
	MemoryContextSwitchTo(context);
	PushActiveSnapshot(GetTransactionSnapshot());
	pgstat_report_activity(STATE_RUNNING, sql);
	InitializeQueryCompletion(&completion);
	ProcessUtility(statement, sql, false, PROCESS_UTILITY_TOPLEVEL, NULL, NULL,
				   None_Receiver, &completion);
	if (ActiveSnapshotSet())
		PopActiveSnapshot();
	CommitTransactionCommand();
	MemoryContextSwitchTo(context);
	pgstat_report_activity(STATE_IDLE, NULL);
}

/*
 * The command that builds the index; NULL if it exists. *drop becomes whether
 * an invalid one has to be dropped first.
 */
static char *
read_command(bool *drop)
{
	MemoryContext context = CurrentMemoryContext;
	TrigramState state;
	char	   *schema;
	char	   *command;

	worker_xact_begin("preparing to build the trigram index");
	state = trigram_state();
	*drop = state == TRIGRAM_INVALID;
	schema = trigram_schema();
	if (schema == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the extension pg_trgm is gone")));
	command = psprintf("CREATE INDEX CONCURRENTLY " TRIGRAM_INDEX
					   " ON chat.messages USING gin (chat.fold(body) %s.gin_trgm_ops)",
					   quote_identifier(schema));
	command = MemoryContextStrdup(context, command);
	worker_xact_commit();
	return state == TRIGRAM_VALID ? NULL : command;
}

/*
 * Build the index, and gather statistics: without them the planner would not
 * know which words are rare.
 */
static long
build(JobRun *run)
{
	bool		drop;
	char	   *command = read_command(&drop);

	if (command == NULL)
		return 0;
	if (drop)
		run_at_top_level("DROP INDEX CONCURRENTLY chat." TRIGRAM_INDEX);
	run_at_top_level(command);

	worker_xact_begin("gathering statistics of the trigram index");
	if (SPI_execute("ANALYZE chat.messages", false, 0) != SPI_OK_UTILITY)
		elog(ERROR, "could not gather statistics");
	worker_xact_commit();
	run->done = 1;
	return 0;
}

/*
 * The process's main function; the argument is the database's OID.
 */
void
pg_chat_build_main(Datum argument)
{
	Job			job = {.name = TRIGRAM_JOB, .run = build};
	LOCKTAG		tag;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();

	BackgroundWorkerInitializeConnectionByOid(DatumGetObjectId(argument), InvalidOid, 0);
	worker_xact_fix_settings();
	SetConfigOption("lock_timeout", "0", PGC_SUSET, PGC_S_OVERRIDE);
	pgstat_report_appname(BUILDER_TYPE);

	tag = build_lock();
	if (LockAcquire(&tag, ExclusiveLock, true, true) != LOCKACQUIRE_NOT_AVAIL)
		job_run(&job);
}
