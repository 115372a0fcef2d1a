/*
 * worker_functions.c
 *	  SQL functions about the worker of this database.
 *
 * If the library is preloaded, the worker is known from shared memory; else
 * from the lock that it holds.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xlog.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "bgworker/worker_start.h"
#include "changes/database_registry.h"
#include "common/schema_version.h"
#include "common/spi_plan.h"
#include "common/sql_signature.h"

PG_FUNCTION_INFO_V1(chat_start_worker);
PG_FUNCTION_INFO_V1(chat_worker_status);

/*
 * The pid of the process that holds the lock of this database's worker, or 0.
 * *since becomes the time when it was started, or 0 if the role may not see
 * that.
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
		pid = spi_result_int32(0, spi_column("pid"));
		*since = DatumGetTimestampTz(spi_result(0, spi_column("backend_start"), TIMESTAMPTZOID, &isnull));
	}
	SPI_finish();
	return pid;
}

/* Whether this database has a worker that runs. */
static bool
worker_runs(void)
{
	TimestampTz since;

	return worker_process(&since) != 0;
}

/*
 * chat_internal.worker_process() returns (pid integer, running_since
 * timestamptz, preloaded boolean, problem text)
 *
 * The first two are null if there is no worker; every role may see them in
 * shared memory. problem says why the library does not fit the schema. It is
 * null if it does, or if the catalog that has the version is locked: this
 * function never waits.
 */
Datum
chat_worker_status(PG_FUNCTION_ARGS)
{
	static SqlSignature signature = {
		SQL_RETURNS_ROW(INT4OID, TIMESTAMPTZOID, BOOLOID, TEXTOID), .any_version = true
	};
	TupleDesc	descriptor;
	VersionMismatch mismatch;
	bool		told = ConditionalLockRelationOid(ExtensionRelationId, AccessShareLock);
	bool		fits = !told || schema_version_fits(&mismatch);
	TimestampTz since;
	int			pid = shmem_available() ? registry_worker(&since) : worker_process(&since);
	Datum		values[4] = {
		Int32GetDatum(pid), TimestampTzGetDatum(since), BoolGetDatum(shmem_available()), (Datum) 0
	};
	bool		nulls[4] = {pid == 0, pid == 0 || since == 0, false, fits};

	if (told)
		UnlockRelationOid(ExtensionRelationId, AccessShareLock);
	sql_signature_check(fcinfo, &signature, InvalidOid);
	descriptor = sql_signature_row(fcinfo, &signature);
	if (!fits)
		values[3] = CStringGetTextDatum(psprintf("%s. %s", mismatch.message, mismatch.hint));
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(descriptor, values, nulls)));
}

/*
 * chat.start_worker() returns boolean
 *
 * Starts this database's worker, if there is no launcher to do so. Returns
 * whether it runs, which is true if it ran already. Raises 25006 on a standby,
 * and 53400 if all background workers are in use.
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

	/* One that exited at once may have found another, started by somebody else. */
	PG_RETURN_BOOL(WaitForBackgroundWorkerStartup(handle, &pid) == BGWH_STARTED || worker_runs());
}
