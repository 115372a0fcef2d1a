/*
 * worker.c
 *	  The background worker of a database.
 *
 * It runs the jobs listed in jobs.c, each when it is due, and waits on its
 * latch in between. Transactions are short, and none is open while it waits
 * for the network. It exits when the extension is gone, when a command needs
 * the database free of connections, and when it finds another worker there. It
 * survives errors, since without a launcher nothing would restart it.
 *
 * No job waits for a server that another job waits for: a job that may wait
 * for long runs other jobs in between. Such a run is nested in that of the
 * waiting job, which continues only after it. So a job that may wait for very
 * long is never nested in another one, and no job is nested in itself.
 *
 * Triggers of the tables' owner run in the worker's transactions. Settings
 * that they change are restored, and the lock that they may release is taken
 * again.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "commands/dbcommands.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/lock.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "bgworker/worker.h"
#include "bgworker/worker_start.h"
#include "bgworker/worker_version.h"
#include "bgworker/worker_xact.h"
#include "changes/change_log.h"
#include "changes/database_registry.h"
#include "common/compat.h"
#include "common/latch_wait.h"
#include "common/spi_plan.h"

PGDLLEXPORT void pg_chat_worker_main(Datum argument);

/*
 * The longest wait, and so the time within which the worker notices that the
 * extension was dropped.
 */
#define WAIT_MAX_MS 900

/* The pause after an error outside of the jobs. */
#define ERROR_WAIT_MS 1000

/*
 * The delay of the first run that uses the network, random, from half to all of
 * it: should such a run crash the server, the server is usable in between; and
 * the workers of many databases do not all connect to Redis at the same moment.
 */
#define NETWORK_WAIT_MS 1500

static Job *const *jobs = NULL;
static int	jobs_count = 0;

/* The context of messages that are logged outside of jobs; NULL: this process is no worker. */
static ErrorContextCallback *outside_of_jobs = NULL;

/* The name of this database. */
static NameData database_name;

/*
 * Set the jobs that workers run, in this order if several are due. Called once,
 * when the library is loaded.
 */
void
worker_set_jobs(Job *const *list, int count)
{
	jobs = list;
	jobs_count = count;
}

/* Whether this database has the extension. Also tells the launcher. */
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
 * Take the lock by which a database has one worker, or confirm that it is held:
 * an owner's trigger may have released it. Returns false if there is another
 * worker.
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
 * Once, before the worker subscribes to changes: look for prepared
 * transactions, from before a restart or before the subscription.
 */
static void
look_for_prepared(void)
{
	static bool done = false;
	static SavedPlan plan = SAVED_PLAN(
		"SELECT FROM pg_prepared_xacts WHERE database = $1 LIMIT 1", NAMEOID);
	Datum		database = NameGetDatum(&database_name);

	if (done || !shmem_available())
		return;
	worker_xact_begin("looking for prepared transactions");
	if (spi_plan_read(&plan, &database) > 0)
		change_log_note_prepared();
	worker_xact_commit();
	done = true;
}

/*
 * Job: check that the worker is wanted here, and exit if not. Runs before the
 * others in each round.
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

/* Not in the list: it is due in each round, unless it failed. */
static Job	watch_job = {.name = "watch", .run = watch};

/* Make all jobs due now. */
static void
make_all_due(void)
{
	for (int i = 0; i < jobs_count; i++)
		jobs[i]->next_run = 0;
}

/* Whether the worker is wanted, and the library fits the schema. */
static bool
may_do_jobs(void)
{
	if (job_wait_ms(&watch_job) == 0)
		job_run(&watch_job);
	return worker_version_fits();
}

/* Run the jobs that are due. Returns how long to wait for the next one, in milliseconds. */
static long
do_jobs(void)
{
	long		wait_ms = WAIT_MAX_MS;

	if (!may_do_jobs())
	{
		make_all_due();
		return WAIT_MAX_MS;
	}
	for (int i = 0; i < jobs_count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (job_wait_ms(jobs[i]) == 0)
			job_run(jobs[i]);
		wait_ms = Min(wait_ms, job_wait_ms(jobs[i]));
	}
	return wait_ms;
}

/*
 * Run another job that is due, if any, in turn. To be called by a job that
 * waits or has much to do, outside of a transaction. Returns whether there was
 * one; false in a process that is no worker.
 *
 * State that the calling job keeps beyond a transaction must not be changed by
 * other jobs.
 */
bool
worker_do_other_job(void)
{
	static unsigned int turn = 0;
	ErrorContextCallback *caller = error_context_stack;
	Job		   *job = NULL;
	bool		allowed;

	CHECK_FOR_INTERRUPTS();
	for (int i = 0; outside_of_jobs != NULL && i < jobs_count && job == NULL; i++)
	{
		Job		   *candidate = jobs[turn++ % jobs_count];

		if (!candidate->running && !candidate->outermost && job_wait_ms(candidate) == 0)
			job = candidate;
	}
	if (job == NULL)
		return false;
	error_context_stack = outside_of_jobs;
	allowed = may_do_jobs();
	if (allowed)
		job_run(job);
	error_context_stack = caller;
	return allowed;
}

/* Delay the jobs that use the network. */
static void
delay_network_jobs(void)
{
	for (int i = 0; i < jobs_count; i++)
		if (jobs[i]->uses_network)
			jobs[i]->next_run =
				TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
											NETWORK_WAIT_MS / 2 + random() % (NETWORK_WAIT_MS / 2));
}

/*
 * Wait, then run what is due. Returns how long to wait for the next job, in
 * milliseconds.
 */
static long
do_round(long wait_ms)
{
	if (wait_ms > 0)
	{
		/* pg_cancel_backend() must have no effect here. */
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
	return do_jobs();
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

/* Add the name of the database to every message logged: several may have workers. */
static void
add_context(void *argument)
{
	errcontext("pg_chat worker of database \"%s\"", NameStr(database_name));
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
	worker_xact_fix_settings();
	if (!lock_database())
		proc_exit(0);
	if (shmem_available() && !registry_add_worker())
		proc_exit(0);
	note_database_name();
	context = (ErrorContextCallback) {.callback = add_context, .previous = error_context_stack};
	error_context_stack = outside_of_jobs = &context;
	srandom(MyProcPid);			/* for jitter */
	delay_network_jobs();
	pgstat_report_appname(WORKER_TYPE);

	for (;;)
	{
		PG_TRY();
		{
			wait_ms = do_round(wait_ms);
		}
		PG_CATCH();
		{
			EmitErrorReport();
			worker_xact_abort(TopMemoryContext);
			wait_ms = ERROR_WAIT_MS;
		}
		PG_END_TRY();
	}
}
