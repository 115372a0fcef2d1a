/*
 * worker.c
 *	  The background worker of a database.
 *
 * It does the jobs of the table in jobs.c, each when it is due, and waits on its
 * latch in between. Transactions are short, and none is open while it waits for
 * the network. It leaves when the extension is gone, when somebody needs the
 * database free of connections, and when it finds another worker there. It
 * survives errors, since without a launcher nobody would start it again.
 *
 * No job waits for a server that another one waits for: a job that may wait for
 * long does runs of other jobs meanwhile. Such a run is within that job's own,
 * which goes on when it has ended. So a job that may wait for very long is never
 * within another; and one that is running is not run again.
 *
 * Triggers of the tables' owner run in the worker's transactions; the settings
 * that they change, and the lock that they can give up, are brought back.
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

/* The longest wait: so soon it notices that the extension was dropped. */
#define WAIT_MAX_MS 900

/* The pause after an error outside of the jobs. */
#define ERROR_WAIT_MS 1000

/*
 * The wait before the first run that uses the network, half to all of it:
 * should such a run make the server crash, the server serves in between, and
 * workers of many databases do not come to Redis all at once.
 */
#define NETWORK_WAIT_MS 1500

static Job *const *jobs = NULL;
static int	jobs_count = 0;

/* What the log says of this process, without a job; NULL: it is no worker. */
static ErrorContextCallback *outside_of_jobs = NULL;

/* The name of this database. */
static NameData database_name;

/*
 * The jobs that workers do, in this order where several are due. Called once,
 * when the library is loaded.
 */
void
worker_set_jobs(Job *const *list, int count)
{
	jobs = list;
	jobs_count = count;
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
 * Once, before it listens to changes: look whether there are prepared
 * transactions, from before a restart or before it asked for changes.
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
static Job	watch_job = {.name = "watch", .run = watch};

/* Have all jobs done at the next occasion. */
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

/* Do the jobs that are due. Returns how long to wait for the next. */
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
 * For a job that waits, or has much to do, outside of a transaction: do a run of
 * another that is due, in turn. Returns whether there was one; none is in a
 * process that is no worker.
 *
 * What the calling job keeps beyond a transaction must not be what others
 * change.
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

/* Have those that use the network wait a moment. */
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

/* Name the database in every message that is logged: several may have workers. */
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
