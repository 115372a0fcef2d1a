/*
 * worker_version.c
 *	  Whether the worker fits the schema of its database.
 *
 * A worker whose library has another version than the schema must not touch
 * it: it is idle until they fit, and says why, in the log once and in
 * chat.worker_status as long as it lasts. ALTER EXTENSION UPDATE is noticed at
 * the next round. An older library is replaced with a restart of the server
 * where it is preloaded. Elsewhere each process loads it anew, so the worker
 * has another take its place: once for each version of the schema, as the
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

/* The schema's version that was reported not to fit; empty: none. */
static char reported[BGW_EXTRALEN];

/*
 * Leave this database to a new worker, which loads the library that is on disk
 * now. bgw_extra tells it which version of the schema it came for. Returns if
 * there is no room for it.
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

/* Once for each version of the schema: say that the worker does not fit. */
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
 * Whether the worker's library has the version of the schema, so that it can do
 * its jobs. Outside of a transaction.
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
