/*
 * worker.c
 *	  The background worker of a database.
 *
 * It does its jobs, each when it is due, and waits on its latch in between.
 * Transactions are short, and none is open while it waits for the network. It
 * leaves when the extension is gone, when somebody needs the database free of
 * connections, and when it finds another worker there; it survives errors, since
 * without a launcher nobody would start it again.
 *
 * The owner of the tables need not be a superuser, and may have put triggers of
 * their own on them. These run in the worker's transactions, with the owner's
 * rights; settings that they change, and the lock that they can give up, are
 * brought back.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "commands/dbcommands.h"
#include "commands/extension.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/lock.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "bgworker/job.h"
#include "bgworker/worker.h"
#include "bgworker/worker_version.h"
#include "changes/change_set.h"
#include "changes/database_registry.h"
#include "common/chat_tables.h"
#include "common/compat.h"
#include "common/latch_wait.h"
#include "common/schema_version.h"
#include "common/spi_plan.h"
#include "common/sql_signature.h"
#include "counts/recount_jobs.h"
#include "elasticsearch/es_sync_job.h"
#include "elasticsearch/es_verify_job.h"
#include "redis/redis_mirror_job.h"

PG_FUNCTION_INFO_V1(chat_start_worker);
PG_FUNCTION_INFO_V1(chat_worker_status);

PGDLLEXPORT void pg_chat_worker_main(Datum argument);

/* The longest wait: so soon it notices that the extension was dropped. */
#define WAIT_MAX_MS 900

/* The wait after an error outside of the jobs. */
#define ERROR_WAIT_MS 1000

/*
 * The wait before the first run that uses the network, half to all of it:
 * should such a run make the server crash, it serves in between, and workers
 * of many databases do not come to Redis all at once.
 */
#define NETWORK_WAIT_MS 1500

/* The first of the jobs that use the network; they are the last. */
#define NETWORK_DUTY 3

/*
 * The pauses between passes that changes ask for. A busy chat changes again and
 * again: a push that waits for most of the second that it has writes it once.
 */
#define PUSH_PAUSE_MS 750
#define SEARCH_PAUSE_MS 100

static Job jobs[] = {
	{.name = "reconcile", .run = recount_job_reconcile},
	{.name = "scrub chats", .run = recount_job_scrub_chats},
	{.name = "scrub applications", .run = recount_job_scrub_applications},
	[NETWORK_DUTY] = {.name = "redis", .run = redis_mirror_job_run, .recover = redis_mirror_job_disconnect, .wanted = redis_mirror_job_wanted, .pause_ms = PUSH_PAUSE_MS},
	{.name = "search", .run = es_sync_job_run, .recover = es_sync_job_recover, .wanted = es_sync_job_wanted, .pause_ms = SEARCH_PAUSE_MS},
	{.name = "verify search", .run = es_verify_job_run, .wanted = es_verify_job_wanted, .pause_ms = SEARCH_PAUSE_MS}
};

/*
 * How to register a worker for a database.
 */
BackgroundWorker
worker_description(Oid database)
{
	BackgroundWorker worker = {
		.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION,
		.bgw_start_time = BgWorkerStart_RecoveryFinished,
		.bgw_restart_time = BGW_NEVER_RESTART,
		.bgw_main_arg = ObjectIdGetDatum(database)
	};

	strlcpy(worker.bgw_library_name, "pg_chat", BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, "pg_chat_worker_main", BGW_MAXLEN);
	strlcpy(worker.bgw_type, WORKER_TYPE, BGW_MAXLEN);
	snprintf(worker.bgw_name, BGW_MAXLEN, "pg_chat worker for database %u", database);
	return worker;
}

/* The name of this database. */
static NameData database_name;

/* The memory context to return to after the transaction. */
static MemoryContext outer_context = NULL;

/*
 * Begin a transaction with the rights of a role, connected to SPI;
 * pg_stat_activity shows activity. The worker's own rights are a superuser's,
 * and not even SET ROLE leads back to them. Triggers deferred to the commit are
 * allowed, unlike in table_owner_become(), since these rights last beyond it.
 * Raises 55000 if the library does not fit the schema any more.
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
 * Begin one that touches nothing but chat_internal.worker_jobs: also where the
 * tables have several owners, which is to be told there.
 */
void
worker_xact_begin_for_jobs(const char *activity)
{
	begin_as(owner_of_jobs, activity);
}

/*
 * Commit it, and return to the worker's rights, as an abort does by itself, and
 * to the memory context that was there before.
 */
void
worker_xact_commit(void)
{
	SPI_finish();
	PopActiveSnapshot();
	CommitTransactionCommand();
	SetUserIdAndSecContext(GetSessionUserId(), 0);
	MemoryContextSwitchTo(outer_context);
	pgstat_report_stat(true);
	pgstat_report_activity(STATE_IDLE, NULL);
}

/* Whether this database has the extension. The launcher is told. */
static bool
extension_exists(void)
{
	uint32		invitations = shmem_available() ? registry_invitations() : 0;
	bool		exists;

	StartTransactionCommand();
	exists = OidIsValid(get_extension_oid("pg_chat", true));
	CommitTransactionCommand();
	if (shmem_available())
		registry_report_extension(exists, invitations);
	return exists;
}

/*
 * Be the only worker of this database, or go on to be. Returns false if there
 * is another. An owner's trigger may have given up the lock.
 */
static bool
lock_database(void)
{
	LOCKTAG		tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, WORKER_LOCK_KEY, 0, WORKER_LOCK_CLASS);
	return compat_lock_held_by_me(&tag, ExclusiveLock) ||
		LockAcquire(&tag, ExclusiveLock, true, true) != LOCKACQUIRE_NOT_AVAIL;
}

/*
 * Settings of the database that would not do for the worker. What it writes
 * need not be on disk when it goes on: a crash takes back what it repaired
 * together with the note that it did. It waits for no lock for long: while it
 * does, others may wait for those that it has. But counting takes its time, and
 * errors do not end it. What it may not see it must not take for absent. Not
 * every version has all of them.
 */
static void
fix_settings(void)
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
 * Once, before it listens to changes: look whether there are prepared
 * transactions, from before a restart or before it asked for changes.
 */
static void
look_for_prepared(void)
{
	static bool done = false;
	static SavedPlan plan = SAVED_PLAN(
		"SELECT FROM pg_catalog.pg_prepared_xacts WHERE database OPERATOR(pg_catalog.=) $1 LIMIT 1", NAMEOID);
	Datum		database = NameGetDatum(&database_name);

	if (done || !shmem_available())
		return;
	worker_xact_begin("looking for prepared transactions");
	if (spi_plan_read(&plan, &database) > 0)
		change_set_note_prepared();
	worker_xact_commit();
	done = true;
}

/*
 * Job: see whether the worker is wanted here, and leave if not. Comes before
 * the others in each round.
 */
static long
watch(JobRun *run)
{
	if (!extension_exists() || !lock_database())
		proc_exit(0);
	if (worker_version_fits())
		look_for_prepared();
	run->off = true;
	return 0;
}

/* Not one of those that are waited for: it is due in each round, unless it failed. */
static Job watching = {.name = "watch", .run = watch};

/* Have all jobs done at the next occasion. */
static void
make_all_due(void)
{
	for (int i = 0; i < lengthof(jobs); i++)
		jobs[i].next_pass = 0;
}

/* Do the jobs that are due. Returns how long to wait for the next. */
static long
do_duties(void)
{
	long		wait_ms = WAIT_MAX_MS;

	if (job_wait_ms(&watching) == 0)
		job_run(&watching);
	if (!worker_version_fits())
	{
		make_all_due();
		return WAIT_MAX_MS;
	}
	for (int i = 0; i < lengthof(jobs); i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (job_wait_ms(&jobs[i]) == 0)
			job_run(&jobs[i]);
		wait_ms = Min(wait_ms, job_wait_ms(&jobs[i]));
	}
	return wait_ms;
}

/*
 * Wait, then do what is due. Returns how long to wait for the next.
 */
static long
do_round(long wait_ms)
{
	if (wait_ms > 0)
	{
		/* pg_cancel_backend finds nothing to cancel here. */
		HOLD_CANCEL_INTERRUPTS();
		latch_wait("ChatWorkerMain", 0, PGINVALID_SOCKET, wait_ms);
		RESUME_CANCEL_INTERRUPTS();
		QueryCancelPending = false;
	}
	CHECK_FOR_INTERRUPTS();
	if (ConfigReloadPending)
	{
		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
		make_all_due();
	}
	return do_duties();
}

static void
note_database_name(void)
{
	MemoryContext caller = CurrentMemoryContext;

	StartTransactionCommand();
	namestrcpy(&database_name, get_database_name(MyDatabaseId));
	CommitTransactionCommand();
	MemoryContextSwitchTo(caller);
}

/* Whatever is logged says where: several databases may have workers. */
static void
add_context(void *argument)
{
	errcontext("pg_chat worker of database \"%s\"", NameStr(database_name));
}

/* Log an error, and be outside of any transaction again. */
static void
recover(void)
{
	HOLD_INTERRUPTS();
	EmitErrorReport();
	FlushErrorState();
	AbortOutOfAnyTransaction();
	MemoryContextSwitchTo(TopMemoryContext);
	RESUME_INTERRUPTS();
}

/*
 * The worker's main function; the argument is the database's OID.
 */
void
pg_chat_worker_main(Datum argument)
{
	volatile long wait_ms = 0;
	ErrorContextCallback context;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();

	BackgroundWorkerInitializeConnectionByOid(DatumGetObjectId(argument), InvalidOid, 0);
	fix_settings();
	if (!lock_database())
		proc_exit(0);
	if (shmem_available() && !registry_add_worker())
		proc_exit(0);
	note_database_name();
	context = (ErrorContextCallback) {.callback = add_context, .previous = error_context_stack};
	error_context_stack = &context;
	srandom(MyProcPid);			/* for jitter */
	for (int i = NETWORK_DUTY; i < lengthof(jobs); i++)
		jobs[i].next_pass =
			TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
										NETWORK_WAIT_MS / 2 + random() % (NETWORK_WAIT_MS / 2));
	pgstat_report_appname(WORKER_TYPE);

	for (;;)
	{
		PG_TRY();
		{
			wait_ms = do_round(wait_ms);
		}
		PG_CATCH();
		{
			recover();
			wait_ms = ERROR_WAIT_MS;
		}
		PG_END_TRY();
	}
}

/*
 * The process of this database's worker, which holds the lock, or 0, and when it
 * was started; 0 where the role may not know.
 */
static int
worker_process(TimestampTz *since)
{
	static SavedPlan plan = SAVED_PLAN(
		"SELECT l.pid, a.backend_start FROM pg_catalog.pg_locks AS l"
		" LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid OPERATOR(pg_catalog.=) l.pid"
		" WHERE l.locktype OPERATOR(pg_catalog.=) 'advisory'"
		" AND l.database OPERATOR(pg_catalog.=) $1 AND l.classid OPERATOR(pg_catalog.=) $2"
		" AND l.objid OPERATOR(pg_catalog.=) 0::pg_catalog.oid AND l.objsubid OPERATOR(pg_catalog.=) $3 AND l.granted",
		OIDOID, OIDOID, INT2OID);
	Datum		values[3] = {
		ObjectIdGetDatum(MyDatabaseId), ObjectIdGetDatum(WORKER_LOCK_KEY), Int16GetDatum(WORKER_LOCK_CLASS)
	};
	int			pid = 0;
	bool		isnull;

	*since = 0;
	SPI_connect();
	if (spi_plan_read(&plan, values) > 0)
	{
		pid = spi_result_int32(0, 1);
		*since = DatumGetTimestampTz(spi_result(0, 2, TIMESTAMPTZOID, &isnull));
	}
	SPI_finish();
	return pid;
}

/* Whether this database has a worker. */
static bool
worker_runs(void)
{
	TimestampTz since;

	return worker_process(&since) != 0;
}

/*
 * chat_internal.worker_process() returns (pid, running_since, preloaded, problem)
 *
 * Shared memory says it to every role. problem is why the library does not fit
 * the schema, null if it does: this function answers in any case.
 */
Datum
chat_worker_status(PG_FUNCTION_ARGS)
{
	static SqlSignature signature = {
		SQL_RETURNS_ROW(INT4OID, TIMESTAMPTZOID, BOOLOID, TEXTOID), .any_version = true
	};
	TupleDesc	descriptor;
	VersionMismatch mismatch;
	bool		fits = schema_version_fits(&mismatch);
	TimestampTz since;
	int			pid = shmem_available() ? registry_worker(&since) : worker_process(&since);
	Datum		values[4] = {
		Int32GetDatum(pid), TimestampTzGetDatum(since), BoolGetDatum(shmem_available()), (Datum) 0
	};
	bool		nulls[4] = {pid == 0, pid == 0 || since == 0, false, fits};

	sql_signature_check(fcinfo, &signature, InvalidOid);
	descriptor = sql_signature_row(fcinfo, &signature);
	if (!fits)
		values[3] = CStringGetTextDatum(psprintf("%s. %s", mismatch.message, mismatch.hint));
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(descriptor, values, nulls)));
}

/*
 * chat.start_worker() returns boolean
 *
 * Starts this database's worker, where no launcher does. Returns whether it
 * runs; if there was one already, it does.
 */
Datum
chat_start_worker(PG_FUNCTION_ARGS)
{
	static SqlSignature signature = {SQL_RETURNS(BOOLOID)};
	BackgroundWorker worker = worker_description(MyDatabaseId);
	BackgroundWorkerHandle *handle;
	pid_t		pid;

	sql_signature_check(fcinfo, &signature, InvalidOid);
	if (RecoveryInProgress())
		ereport(ERROR,
				(errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION),
				 errmsg("a standby has no worker"),
				 errhint("It is started after the promotion.")));
	if (worker_runs())
		PG_RETURN_BOOL(true);
	worker.bgw_notify_pid = MyProcPid;
	if (!RegisterDynamicBackgroundWorker(&worker, &handle))
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("could not register the worker: all background workers are in use"),
				 errhint("Raise max_worker_processes.")));

	/* One that ended at once may have found another, which somebody else started. */
	PG_RETURN_BOOL(WaitForBackgroundWorkerStartup(handle, &pid) == BGWH_STARTED || worker_runs());
}
