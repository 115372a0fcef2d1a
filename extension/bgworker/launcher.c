/*
 * launcher.c
 *	  The process that starts workers.
 *
 * It runs if the library is preloaded, from the end of recovery on. It starts
 * a worker in each database that has the extension, and restarts one that
 * ended, after a pause.
 *
 * Only a process that is connected to a database can tell whether that has the
 * extension. So the launcher starts a probe: a worker that reports it, and
 * exits if the extension is missing. There is one probe at a time, so that
 * databases without the extension take no background workers from those that
 * have it. They are probed again when a command may have created the extension
 * (see utility_hook.c), and also from time to time, since some ways of
 * creating it pass by the hook: COMMIT PREPARED, or CREATE EXTENSION ...
 * CASCADE of another extension.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_database.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "bgworker/launcher.h"
#include "bgworker/worker_start.h"
#include "changes/database_registry.h"
#include "common/compat.h"

PGDLLEXPORT void pg_chat_launcher_main(Datum argument);

/* The pause before a worker that ended is restarted doubles from the first to the last. */
#define RESTART_FIRST_MS 1000
#define RESTART_LAST_MS 60000

/* A worker that lived this long ended for a new reason: the pause begins anew. */
#define RESTART_FORGET_MS 120000

/* The time between two looks at the list of databases, if nothing asks for one. */
#define LOOK_MS 60000

/*
 * The time before a database without the extension is probed again: at least
 * the first, and the second for each database, so that there is one such probe
 * a second.
 */
#define REPROBE_MS 60000
#define REPROBE_EACH_MS 1000

/* The time that other probes wait for the present one. */
#define PROBE_LIMIT_MS 5000

/* A database, and the worker that this process started for it. */
typedef struct Started
{
	Oid			database;
	BackgroundWorkerHandle *handle;
	TimestampTz started;
	int			restarts;		/* in succession */
	uint32		invitations;	/* as of the last start */
	bool		seen;			/* the database exists */
} Started;

static Started *started = NULL;
static int	started_count = 0;
static int	started_capacity = 0;

/*
 * Register the launcher. Called once, while libraries are preloaded.
 */
void
launcher_register(void)
{
	BackgroundWorker worker = {
		.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION,
		.bgw_start_time = BgWorkerStart_RecoveryFinished,
		.bgw_restart_time = 5
	};

	strlcpy(worker.bgw_library_name, "pg_chat", BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, "pg_chat_launcher_main", BGW_MAXLEN);
	strlcpy(worker.bgw_name, "pg_chat launcher", BGW_MAXLEN);
	strlcpy(worker.bgw_type, "pg_chat launcher", BGW_MAXLEN);
	RegisterBackgroundWorker(&worker);
}

/*
 * The databases that allow connections, ascending, in an array in the current
 * memory context. Leaves out template0, even if it allows them, and databases
 * whose DROP was interrupted.
 */
static int
list_databases(Oid **databases)
{
	MemoryContext caller = CurrentMemoryContext;
	Relation	relation;
	TableScanDesc scan;
	HeapTuple	tuple;
	int			count = 0;
	int			capacity = 16;

	*databases = palloc(capacity * sizeof(Oid));
	StartTransactionCommand();
	(void) GetTransactionSnapshot();
	relation = table_open(DatabaseRelationId, AccessShareLock);
	scan = table_beginscan_catalog(relation, 0, NULL);
	while ((tuple = heap_getnext(scan, ForwardScanDirection)) != NULL)
	{
		Form_pg_database database = (Form_pg_database) GETSTRUCT(tuple);

		if (!database->datallowconn || database->datconnlimit == DATCONNLIMIT_INVALID_DB ||
			strcmp(NameStr(database->datname), "template0") == 0)
			continue;
		if (count == capacity)
		{
			MemoryContext inner = MemoryContextSwitchTo(caller);

			capacity *= 2;
			*databases = repalloc(*databases, capacity * sizeof(Oid));
			MemoryContextSwitchTo(inner);
		}
		(*databases)[count++] = database->oid;
	}
	table_endscan(scan);
	table_close(relation, AccessShareLock);
	CommitTransactionCommand();
	MemoryContextSwitchTo(caller);
	qsort(*databases, count, sizeof(Oid), oid_cmp);
	return count;
}

static Started *
find_started(Oid database)
{
	for (int i = 0; i < started_count; i++)
		if (started[i].database == database)
			return &started[i];

	if (started_count == started_capacity)
	{
		started_capacity = started_capacity == 0 ? 16 : started_capacity * 2;
		if (started == NULL)
			started = MemoryContextAlloc(TopMemoryContext, started_capacity * sizeof(Started));
		else
			started = repalloc(started, started_capacity * sizeof(Started));
	}
	memset(&started[started_count], 0, sizeof(Started));
	started[started_count].database = database;
	return &started[started_count++];
}

/* How long after its last start a worker may be restarted, in milliseconds. */
static long
restart_wait_ms(const Started *worker)
{
	long		wait = RESTART_FIRST_MS;

	for (int i = 1; i < worker->restarts && wait < RESTART_LAST_MS; i++)
		wait *= 2;
	return worker->restarts == 0 ? 0 : Min(wait, RESTART_LAST_MS);
}

static bool
is_running(const Started *worker)
{
	pid_t		pid;

	if (worker->handle == NULL)
		return false;
	switch (GetBackgroundWorkerPid(worker->handle, &pid))
	{
		case BGWH_STARTED:
		case BGWH_NOT_YET_STARTED:
			return true;
		default:
			return false;
	}
}

/*
 * Start a worker. Returns false if all background workers are in use; that does
 * not count as a start.
 */
static bool
start(Started *worker)
{
	BackgroundWorker description = worker_description(worker->database);
	MemoryContext caller = MemoryContextSwitchTo(TopMemoryContext);
	bool		registered;

	if (worker->handle != NULL)
		pfree(worker->handle);
	worker->handle = NULL;
	description.bgw_notify_pid = MyProcPid;
	registered = RegisterDynamicBackgroundWorker(&description, &worker->handle);
	MemoryContextSwitchTo(caller);
	if (!registered)
		return false;

	if (TimestampDifferenceExceeds(worker->started, GetCurrentTimestamp(), RESTART_FORGET_MS))
		worker->restarts = 0;
	worker->restarts++;
	worker->started = GetCurrentTimestamp();
	return true;
}

/* Log, once, that a worker cannot be started. */
static void
report_no_slot(bool no_slot)
{
	static bool reported = false;

	if (no_slot && !reported)
		ereport(WARNING,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("pg_chat could not start a worker: all background workers are in use"),
				 errhint("Raise max_worker_processes.")));
	reported = no_slot;
}

/* Log, once, that there are more databases than shared memory has room for. */
static void
report_unknown(int count)
{
	static bool reported = false;

	if (count > 0 && !reported)
		ereport(WARNING,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("pg_chat starts no worker in %d databases: there are too many", count),
				 errhint("Call chat.start_worker() in those that need one, or set ALLOW_CONNECTIONS of others to false.")));
	reported = count > 0;
}

/* Forget databases that were dropped, or no longer allow connections. */
static void
forget_others(const Oid *databases, int count)
{
	registry_forget_others(databases, count);
	for (int i = started_count - 1; i >= 0; i--)
		if (!started[i].seen && !is_running(&started[i]))
		{
			if (started[i].handle != NULL)
				pfree(started[i].handle);
			started[i] = started[--started_count];
		}
}

/*
 * Start the processes that are due: workers where the extension is, and one
 * probe, of the database that has waited longest. Returns the time until the
 * next may be due, in milliseconds.
 */
static long
start_workers(void)
{
	Oid		   *databases;
	int			count = list_databases(&databases);
	long		reprobe_ms = Max(REPROBE_MS, count * (long) REPROBE_EACH_MS);
	long		wait_ms = LOOK_MS;
	int			unknown = 0;
	bool		no_slot = false;
	bool		probing = false;
	int			probe = -1;		/* index of the database to probe */

	for (int i = 0; i < started_count; i++)
		started[i].seen = false;
	for (int i = 0; i < count; i++)
	{
		Started    *worker = find_started(databases[i]);
		DatabaseState known = registry_state(databases[i]);
		long		elapsed = TimestampDifferenceMilliseconds(worker->started, GetCurrentTimestamp());
		long		pause;

		worker->seen = true;
		if (!known.known)
			unknown++;
		if (is_running(worker) && known.extension != EXTENSION_HERE && elapsed < PROBE_LIMIT_MS)
			probing = true;
		if (is_running(worker) || !known.known || known.has_worker || known.held)
			continue;

		if (known.invitations != worker->invitations || known.extension == EXTENSION_MISSING)
			worker->restarts = 0;
		worker->invitations = known.invitations;
		pause = known.extension == EXTENSION_MISSING ? reprobe_ms : restart_wait_ms(worker);
		if (elapsed < pause)
			wait_ms = Min(wait_ms, pause - elapsed);
		else if (known.extension == EXTENSION_HERE)
			no_slot |= !start(worker);
		else if (probe < 0 || worker->started < started[probe].started)
			probe = worker - started;
	}
	if (probe >= 0 && !probing)
	{
		probing = true;
		no_slot |= !start(&started[probe]);
	}
	report_no_slot(no_slot);
	report_unknown(unknown);
	forget_others(databases, count);
	pfree(databases);
	if (probing)
		wait_ms = Min(wait_ms, PROBE_LIMIT_MS);
	return no_slot ? Min(wait_ms, RESTART_FIRST_MS) : wait_ms;
}

/*
 * The launcher's main function.
 */
void
pg_chat_launcher_main(Datum argument)
{
	MemoryContext context;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	pqsignal(SIGINT, SIG_IGN);	/* pg_cancel_backend() has no effect */
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	registry_set_launcher();
	context = AllocSetContextCreate(TopMemoryContext, "pg_chat launcher", ALLOCSET_DEFAULT_SIZES);

	for (;;)
	{
		long		wait_ms;

		MemoryContextSwitchTo(context);
		MemoryContextReset(context);
		wait_ms = start_workers();
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 wait_ms, compat_wait_event("ChatLauncherMain"));
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}
	}
}
