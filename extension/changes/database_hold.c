/*
 * database_hold.c
 *	  Databases that are kept free of workers.
 *
 * Some commands need a database to be free of connections. Such a command
 * holds the database while it runs: the worker is told to exit, and the
 * launcher starts no other.
 */
#include "postgres.h"

#include <signal.h>

#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "changes/database_hold.h"
#include "changes/shmem.h"
#include "common/compat.h"

/* The time that a command waits for the worker of its database to exit. */
#define HOLD_TIMEOUT_MS 5000

static bool
has_worker(Oid database)
{
	SharedDatabase *entry = shmem_lock_database(database, false, LW_SHARED);
	bool		result = entry != NULL && entry->worker_pid != 0;

	shmem_unlock_database(entry);
	return result;
}

/*
 * Hold a database, to keep workers out of it until database_release(). Waits,
 * for a bounded time, until the present one has exited.
 */
void
database_hold(Oid database)
{
	TimestampTz deadline = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), HOLD_TIMEOUT_MS);
	SharedDatabase *entry = shmem_lock_database(database, true, LW_EXCLUSIVE);

	if (entry == NULL)
		return;
	entry->holders++;			/* so that the entry is kept */
	if (entry->worker_pid != 0)
		kill(entry->worker_pid, SIGTERM);
	shmem_unlock_database(entry);

	ConditionVariablePrepareToSleep(&entry->worker_left);
	while (has_worker(database))
	{
		long		wait_ms = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), deadline);

		if (wait_ms <= 0 ||
			ConditionVariableTimedSleep(&entry->worker_left, wait_ms, compat_wait_event("ChatDatabaseHold")))
			break;
	}
	ConditionVariableCancelSleep();
}

/* Undo one database_hold(), and make the launcher look at the database. */
void
database_release(Oid database)
{
	SharedDatabase *entry = shmem_lock_database(database, false, LW_EXCLUSIVE);

	if (entry != NULL && entry->holders > 0)
	{
		entry->holders--;
		entry->invitations++;
	}
	shmem_unlock_database(entry);
	shmem_wake_launcher();
}
