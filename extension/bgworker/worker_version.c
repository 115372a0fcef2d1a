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
#include "utils/memutils.h"

#include "bgworker/worker_version.h"
#include "changes/shmem.h"
#include "common/schema_version.h"

/* The schema's version that was reported not to fit; empty: none. */
static char reported[BGW_EXTRALEN];

/* Once for each version of the schema: say that the worker does not fit. */
static void
report(const VersionMismatch *mismatch)
{
	if (strncmp(reported, mismatch->schema_version, sizeof(reported) - 1) == 0)
		return;
	strlcpy(reported, mismatch->schema_version, sizeof(reported));
	ereport(WARNING,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("the worker of pg_chat is idle: %s", mismatch->message),
			 errhint("%s", mismatch->hint)));
}

/*
 * Whether the worker's library has the version of the schema, so that it can do
 * its jobs. leave is called where another worker should take this one's place;
 * it returns if there is no room for one. bgw_extra tells the other which version
 * of the schema it came for. Outside of a transaction.
 */
bool
worker_version_fits(void (*leave) (const char *schema_version))
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
			leave(reported);
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
