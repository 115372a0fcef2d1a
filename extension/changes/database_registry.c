/*
 * database_registry.c
 *	  Databases and their workers.
 *
 * For each database: the process of its worker, if there is one; whether it
 * has the extension, as far as a worker found out; and how often the launcher
 * was invited to look at it again.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "utils/builtins.h"

#include "changes/change_log.h"
#include "changes/database_registry.h"

static void
unset_launcher(int code, Datum argument)
{
	shmem_set_launcher_latch(NULL);
}

/* Register this process as the launcher, until it ends. */
void
registry_set_launcher(void)
{
	before_shmem_exit(unset_launcher, (Datum) 0);
	shmem_set_launcher_latch(MyLatch);
}

/*
 * The state of a database. Creates its entry, if it has none and there is room.
 */
DatabaseState
registry_state(Oid database)
{
	SharedDatabase *entry = shmem_lock_database(database, true, LW_SHARED);
	DatabaseState result = {0};

	if (entry != NULL)
		result = (DatabaseState) {
			.known = true,
			.has_worker = entry->worker_pid != 0,
			.held = entry->holders > 0,
			.extension = entry->extension,
			.invitations = entry->invitations
		};
	shmem_unlock_database(entry);
	return result;
}

/*
 * Drop the entries of all databases but these, which ascend. Entries of
 * databases that are held, that have a worker, or whose changes a session reads, stay.
 */
void
registry_forget_others(const Oid *databases, int count)
{
	for (int i = 0; i < SHARED_DATABASES; i++)
	{
		SharedDatabase *entry = shmem_database_at(i);
		Oid			database = pg_atomic_read_u32(&entry->database);

		if (!OidIsValid(database) || bsearch(&database, databases, count, sizeof(Oid), oid_cmp) != NULL)
			continue;
		entry = shmem_lock_database(database, false, LW_EXCLUSIVE);
		if (entry != NULL && entry->worker_pid == 0 && entry->holders == 0 && entry->changes.sessions == 0)
		{
			change_log_forget(&entry->changes);
			pg_atomic_write_u32(&entry->database, InvalidOid);
		}
		shmem_unlock_database(entry);
	}
}

static void
remove_worker(int code, Datum argument)
{
	SharedDatabase *entry = shmem_lock_database(MyDatabaseId, false, LW_EXCLUSIVE);

	if (entry != NULL && entry->worker_pid == MyProcPid)
	{
		entry->worker_pid = 0;
		entry->worker_latch = NULL;
		entry->changes.listening = false;
		ConditionVariableBroadcast(&entry->worker_left);
	}
	shmem_unlock_database(entry);
	shmem_wake_launcher();
}

/*
 * Register this process as the worker of its database, until it ends. Returns
 * false if the database is held or has a worker: then the process must exit.
 */
bool
registry_add_worker(void)
{
	SharedDatabase *entry;
	bool		welcome = true;

	before_shmem_exit(remove_worker, (Datum) 0);
	entry = shmem_lock_database(MyDatabaseId, true, LW_EXCLUSIVE);
	if (entry != NULL)
	{
		welcome = entry->holders == 0 && entry->worker_pid == 0;
		if (welcome)
		{
			entry->worker_pid = MyProcPid;
			entry->worker_since = MyStartTimestamp;
			entry->worker_latch = MyLatch;
		}
	}
	shmem_unlock_database(entry);
	return welcome;
}

/*
 * The pid of this database's worker, or 0. *since becomes the time when it
 * started.
 */
int
registry_worker(TimestampTz *since)
{
	SharedDatabase *entry = shmem_lock_database(MyDatabaseId, false, LW_SHARED);
	int			pid = entry == NULL ? 0 : entry->worker_pid;

	*since = entry == NULL ? 0 : entry->worker_since;
	shmem_unlock_database(entry);
	return pid;
}

/*
 * As the worker: the number of invitations so far, before it looks for the
 * extension.
 */
uint32
registry_invitations(void)
{
	SharedDatabase *entry = shmem_lock_database(MyDatabaseId, false, LW_SHARED);
	uint32		invitations = entry == NULL ? 0 : entry->invitations;

	shmem_unlock_database(entry);
	return invitations;
}

/*
 * As the worker: report whether the extension exists. A report that it does not
 * counts only if there was no further invitation since the worker looked: the
 * command that created it may have committed in between.
 */
void
registry_report_extension(bool exists, uint32 invitations)
{
	SharedDatabase *entry = shmem_lock_database(MyDatabaseId, false, LW_EXCLUSIVE);
	bool		news = false;

	if (entry != NULL && (exists || entry->invitations == invitations))
	{
		ExtensionState found = exists ? EXTENSION_HERE : EXTENSION_MISSING;

		news = entry->extension != found;
		entry->extension = found;
	}
	shmem_unlock_database(entry);
	if (news)
		shmem_wake_launcher();
}

/*
 * Invite the launcher to look at a database again, which may have got the
 * extension.
 */
void
registry_invite(Oid database)
{
	SharedDatabase *entry = shmem_lock_database(database, false, LW_EXCLUSIVE);

	if (entry != NULL)
	{
		if (entry->extension == EXTENSION_MISSING)
			entry->extension = EXTENSION_UNKNOWN;
		entry->invitations++;
	}
	shmem_unlock_database(entry);
	shmem_wake_launcher();
}

/*
 * The circuit breaker of this database or, without shared memory, of this
 * process alone.
 */
CircuitBreaker *
registry_circuit_breaker(void)
{
	static CircuitBreaker own;
	static bool initialized = false;
	SharedDatabase *entry = shmem_available() ? shmem_own_database() : NULL;

	if (entry != NULL)
		return &entry->breaker;
	if (!initialized)
		SpinLockInit(&own.lock);
	initialized = true;
	return &own;
}
