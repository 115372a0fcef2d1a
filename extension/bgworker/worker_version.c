/*
 * worker_version.c
 *	  Whether the worker's library fits the schema of its database.
 *
 * If the two have different versions, the worker must not touch the schema: it
 * is idle until they agree, and says why, once in the log and all the time in
 * chat.worker_status. It notices ALTER EXTENSION UPDATE in its next round. An
 * older library that is preloaded is replaced by a restart of the server. If
 * it is not preloaded, each process loads it anew, so the worker has a
 * successor take its place: once for each version of the schema, as the
 * library on disk may be the older one, too.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "storage/ipc.h"
#include "storage/lock.h"
#include "utils/memutils.h"

#include "bgworker/worker_start.h"
#include "bgworker/worker_version.h"
#include "changes/shmem.h"
#include "common/schema_version.h"

/* The version of the schema that was reported as not fitting; empty: none. */
static char reported[BGW_EXTRALEN];

/*
 * Start a successor, which loads the library that is on disk now, and exit.
 * bgw_extra has the version of the schema that the successor was started for.
 * Returns if all background workers are in use.
 */
static void
leave_to_successor(const char *schema_version)
{
	BackgroundWorker successor = worker_description(MyDatabaseId);
	LOCKTAG		tag;

	strlcpy(successor.bgw_extra, schema_version, BGW_EXTRALEN);
	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, WORKER_LOCK_KEY, 0, WORKER_LOCK_CLASS);
	LockRelease(&tag, ExclusiveLock, true);
	if (RegisterDynamicBackgroundWorker(&successor, NULL))
		proc_exit(0);
}

/* Log that the worker does not fit, once for each version of the schema. */
static void
report(const VersionMismatch *mismatch)
{
	if (strcmp(reported, mismatch->schema_version) == 0)
		return;
	strlcpy(reported, mismatch->schema_version, sizeof(reported));
	ereport(WARNING,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("the worker of pg_chat is idle: %s", mismatch->message),
			 errhint("%s", mismatch->hint)));
}

/*
 * Whether the library has the version of the schema, so that jobs may run. If
 * not, reports it, and may not return. Outside of a transaction.
 */
bool
worker_version_fits(void)
{
	MemoryContext caller = CurrentMemoryContext;
	VersionMismatch mismatch;
	bool		fits;

	if (schema_version_verified && reported[0] == '\0')
		return true;

	StartTransactionCommand();
	fits = schema_version_fits(&mismatch);
	if (!fits && mismatch.schema_version != NULL)
	{
		report(&mismatch);
		if (mismatch.library_older && !shmem_available() &&
			strcmp(MyBgworkerEntry->bgw_extra, reported) != 0)
			leave_to_successor(reported);
	}
	CommitTransactionCommand();
	MemoryContextSwitchTo(caller);

	if (fits && reported[0] != '\0')
	{
		reported[0] = '\0';
		ereport(LOG, (errmsg("the worker of pg_chat goes on: its library and the schema are of one version")));
	}
	return fits;
}
