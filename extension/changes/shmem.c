/*
 * shmem.c
 *	  What the extension's processes tell each other in shared memory.
 *
 * There is shared memory only where the library is preloaded; elsewhere
 * shmem_available() is false and nothing else here may be called, but for
 * shmem_wants_changes() and shmem_breaker().
 *
 * For each database it holds:
 *
 *	- its worker's process, if there is one,
 *	- whether it has the extension, as far as a worker found out,
 *	- whether somebody holds it, that is, runs a command that needs the database
 *	  to be free of connections; then the launcher starts no worker,
 *	- how often it was invited to look at the database again,
 *	- which chats changed since the worker last asked. This is only a hint of
 *	  where to look first: it is lost in a crash, and replaced by the remark
 *	  "look everywhere" when there are too many. A database has a quarter of
 *	  the room at most, so that a busy one leaves some to the others,
 *	- whether its searches are to ask Elasticsearch: see circuit_breaker.c.
 */
#include "postgres.h"

#include <signal.h>

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "storage/shmem.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/wait_event.h"

#include "changes/shmem.h"
#include "common/circuit_breaker.h"
#include "common/compat.h"
#include "common/sql_signature.h"

PG_FUNCTION_INFO_V1(chat_pending_changes);

/* Databases that can be known at a time. */
#define SHARED_DATABASES 1024

/* Changed chats remembered, and how many of one database. */
#define SHARED_CHANGES 65536
#define SHARED_CHANGES_QUOTA (SHARED_CHANGES / 4)

/* How long a command waits for the worker of its database to leave. */
#define HOLD_TIMEOUT_MS 5000

typedef struct SharedDatabase
{
	Oid			database;		/* InvalidOid: entry is free */
	int			worker_pid;		/* 0: none */
	TimestampTz worker_since;
	Latch	   *worker_latch;
	ExtensionState extension;
	uint32		invitations;
	int			holders;
	bool		listening;		/* the worker wants to know of changes */
	bool		settled;		/* the worker has said whether it listens */
	bool		changed_all;	/* too many changes to name */
	bool		prepared;		/* a prepared transaction may have changes */
	int			changes;
	CircuitBreaker		breaker;		/* has its own lock */
} SharedDatabase;

/* Key of the hash table of changes, and all there is in it. */
typedef struct SharedChange
{
	Oid			database;
	ChatKey chat;
} SharedChange;

typedef struct SharedState
{
	LWLock	   *lock;			/* protects all of this, and the changes */
	Latch	   *launcher_latch;
	SharedDatabase databases[SHARED_DATABASES];
} SharedState;

static SharedState *state = NULL;
static HTAB *changes_table = NULL;
static shmem_startup_hook_type previous_startup_hook = NULL;

static Size
shmem_size(void)
{
	return add_size(MAXALIGN(sizeof(SharedState)),
					hash_estimate_size(SHARED_CHANGES, sizeof(SharedChange)));
}

static void
shmem_request(void)
{
	RequestAddinShmemSpace(shmem_size());
	RequestNamedLWLockTranche("pg_chat", 1);
}

static void
shmem_startup(void)
{
	HASHCTL		control = {
		.keysize = sizeof(SharedChange),
		.entrysize = sizeof(SharedChange)
	};
	bool		found;

	if (previous_startup_hook)
		previous_startup_hook();

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	state = ShmemInitStruct("pg_chat", sizeof(SharedState), &found);
	if (!found)
	{
		memset(state, 0, sizeof(SharedState));
		state->lock = &GetNamedLWLockTranche("pg_chat")->lock;
	}
	changes_table = ShmemInitHash("pg_chat changes", SHARED_CHANGES, SHARED_CHANGES,
								  &control, HASH_ELEM | HASH_BLOBS | HASH_FIXED_SIZE);
	LWLockRelease(AddinShmemInitLock);
}

/*
 * Ask for the shared memory. Called once, while libraries are preloaded.
 */
void
shmem_init(void)
{
	previous_startup_hook = shmem_startup_hook;
	shmem_startup_hook = shmem_startup;
	compat_request_shared_memory(shmem_request);
}

/* Whether there is shared memory: the library was preloaded. */
bool
shmem_available(void)
{
	return state != NULL;
}

/*
 * The entry of a database, or NULL; a new one if create is true and there is
 * room. The caller holds the lock.
 */
static SharedDatabase *
find_database(Oid database, bool create)
{
	SharedDatabase *free_entry = NULL;

	for (int i = 0; i < SHARED_DATABASES; i++)
	{
		SharedDatabase *entry = &state->databases[i];

		if (entry->database == database)
			return entry;
		if (!OidIsValid(entry->database) && free_entry == NULL)
			free_entry = entry;
	}
	if (!create || free_entry == NULL)
		return NULL;
	memset(free_entry, 0, sizeof(SharedDatabase));
	SpinLockInit(&free_entry->breaker.lock);
	free_entry->database = database;
	return free_entry;
}

/*
 * Remove the changes of a database, and put them into target, if that is not
 * NULL. Returns their number. The caller holds the lock.
 */
static int
remove_changes(Oid database, ChatKey *target)
{
	HASH_SEQ_STATUS scan;
	SharedChange *change;
	int			count = 0;

	hash_seq_init(&scan, changes_table);
	while ((change = hash_seq_search(&scan)) != NULL)
	{
		if (change->database != database)
			continue;
		if (target != NULL)
			target[count] = change->chat;
		count++;
		hash_search(changes_table, change, HASH_REMOVE, NULL);
	}
	return count;
}

/*
 * Instead of the changes of a database, remember that there may be any. The
 * caller holds the lock.
 */
static void
forget_changes(SharedDatabase *entry)
{
	if (entry->changes > 0)
		remove_changes(entry->database, NULL);
	entry->changes = 0;
	entry->changed_all = true;
}

static void
wake_launcher(void)
{
	if (state->launcher_latch != NULL)
		SetLatch(state->launcher_latch);
}

static void
unregister_launcher(int code, Datum argument)
{
	LWLockAcquire(state->lock, LW_EXCLUSIVE);
	state->launcher_latch = NULL;
	LWLockRelease(state->lock);
}

/*
 * Be the launcher, until the process ends.
 */
void
shmem_register_launcher(void)
{
	before_shmem_exit(unregister_launcher, (Datum) 0);
	LWLockAcquire(state->lock, LW_EXCLUSIVE);
	state->launcher_latch = MyLatch;
	LWLockRelease(state->lock);
}

/*
 * What is known of a database; from now on, something is, if there is room.
 */
DatabaseState
shmem_database_state(Oid database)
{
	DatabaseState result = {0};
	SharedDatabase *entry;

	LWLockAcquire(state->lock, LW_EXCLUSIVE);
	entry = find_database(database, true);
	if (entry != NULL)
		result = (DatabaseState) {
			.known = true,
			.has_worker = entry->worker_pid != 0,
			.held = entry->holders > 0,
			.extension = entry->extension,
			.invitations = entry->invitations
		};
	LWLockRelease(state->lock);
	return result;
}

/*
 * Drop the entries of all databases but these, which ascend. Who holds a
 * database, or is its worker, keeps its entry.
 */
void
shmem_forget_others(const Oid *databases, int count)
{
	LWLockAcquire(state->lock, LW_EXCLUSIVE);
	for (int i = 0; i < SHARED_DATABASES; i++)
	{
		SharedDatabase *entry = &state->databases[i];

		if (!OidIsValid(entry->database) || entry->worker_pid != 0 || entry->holders > 0 ||
			bsearch(&entry->database, databases, count, sizeof(Oid), oid_cmp) != NULL)
			continue;
		forget_changes(entry);
		entry->database = InvalidOid;
	}
	LWLockRelease(state->lock);
}

static void
unregister_worker(int code, Datum argument)
{
	SharedDatabase *entry;

	LWLockAcquire(state->lock, LW_EXCLUSIVE);
	entry = find_database(MyDatabaseId, false);
	if (entry != NULL && entry->worker_pid == MyProcPid)
	{
		entry->worker_pid = 0;
		entry->worker_latch = NULL;
		entry->listening = false;
		entry->settled = false;
		forget_changes(entry);
	}
	wake_launcher();
	LWLockRelease(state->lock);
}

/*
 * Be the worker of this process's database, until the process ends. Returns
 * false if somebody holds the database, or it has a worker: then the process
 * must leave.
 */
bool
shmem_register_worker(void)
{
	SharedDatabase *entry;
	bool		welcome = true;

	before_shmem_exit(unregister_worker, (Datum) 0);
	LWLockAcquire(state->lock, LW_EXCLUSIVE);
	entry = find_database(MyDatabaseId, true);
	if (entry != NULL)
	{
		welcome = entry->holders == 0 && entry->worker_pid == 0;
		if (welcome)
		{
			entry->worker_pid = MyProcPid;
			entry->worker_since = MyStartTimestamp;
			entry->worker_latch = MyLatch;
			entry->changed_all = true;
			entry->settled = false;
		}
	}
	LWLockRelease(state->lock);
	return welcome;
}

/*
 * The worker's process, or 0, and when it was started.
 */
int
shmem_worker(TimestampTz *since)
{
	SharedDatabase *entry;
	int			pid;

	LWLockAcquire(state->lock, LW_SHARED);
	entry = find_database(MyDatabaseId, false);
	pid = entry == NULL ? 0 : entry->worker_pid;
	*since = entry == NULL ? 0 : entry->worker_since;
	LWLockRelease(state->lock);
	return pid;
}

/*
 * As the worker: how many invitations there were, before it looks whether the
 * extension is there.
 */
uint32
shmem_invitations(void)
{
	SharedDatabase *entry;
	uint32		invitations;

	LWLockAcquire(state->lock, LW_SHARED);
	entry = find_database(MyDatabaseId, false);
	invitations = entry == NULL ? 0 : entry->invitations;
	LWLockRelease(state->lock);
	return invitations;
}

/*
 * As the worker: tell the launcher whether the extension is there. That it is
 * not counts only if there was no further invitation since the worker looked:
 * the command that created it may have committed meanwhile.
 */
void
shmem_report_extension(bool exists, uint32 invitations)
{
	SharedDatabase *entry;

	LWLockAcquire(state->lock, LW_EXCLUSIVE);
	entry = find_database(MyDatabaseId, false);
	if (entry != NULL && (exists || entry->invitations == invitations))
	{
		ExtensionState found = exists ? EXTENSION_HERE : EXTENSION_MISSING;

		if (entry->extension != found)
			wake_launcher();
		entry->extension = found;
	}
	LWLockRelease(state->lock);
}

/*
 * Make the launcher look at the database again: it may have got the extension.
 */
void
shmem_probe_database(Oid database)
{
	SharedDatabase *entry;

	LWLockAcquire(state->lock, LW_EXCLUSIVE);
	entry = find_database(database, false);
	if (entry != NULL)
	{
		if (entry->extension == EXTENSION_MISSING)
			entry->extension = EXTENSION_UNKNOWN;
		entry->invitations++;
	}
	wake_launcher();
	LWLockRelease(state->lock);
}

/*
 * Keep workers out of the database until shmem_release_database, and wait,
 * for a bounded time, until the present one has left.
 */
void
shmem_hold_database(Oid database)
{
	SharedDatabase *entry;
	int			pid = 0;

	LWLockAcquire(state->lock, LW_EXCLUSIVE);
	entry = find_database(database, true);
	if (entry != NULL)
	{
		entry->holders++;
		pid = entry->worker_pid;
		if (pid != 0)
			kill(pid, SIGTERM);
	}
	LWLockRelease(state->lock);

	for (int waited = 0; pid != 0 && waited < HOLD_TIMEOUT_MS; waited += 10)
	{
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 10, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		LWLockAcquire(state->lock, LW_SHARED);
		entry = find_database(database, false);
		pid = entry == NULL ? 0 : entry->worker_pid;
		LWLockRelease(state->lock);
	}
}

/*
 * Undo one shmem_hold_database, and have the launcher look at the database.
 */
void
shmem_release_database(Oid database)
{
	SharedDatabase *entry;

	LWLockAcquire(state->lock, LW_EXCLUSIVE);
	entry = find_database(database, false);
	if (entry != NULL && entry->holders > 0)
	{
		entry->holders--;
		entry->invitations++;
	}
	wake_launcher();
	LWLockRelease(state->lock);
}

/*
 * As the worker: from now on learn of changes, or no more.
 */
void
shmem_listen(bool listen)
{
	SharedDatabase *entry;

	LWLockAcquire(state->lock, LW_EXCLUSIVE);
	entry = find_database(MyDatabaseId, false);
	if (entry != NULL && entry->worker_pid == MyProcPid)
	{
		if (entry->listening != listen)
			forget_changes(entry);
		entry->listening = listen;
		entry->settled = true;
	}
	LWLockRelease(state->lock);
}

/*
 * Whether to keep what this transaction changes, for this database's worker: it
 * wants to know, or has not said so yet. When it begins to listen it looks
 * everywhere, but does not see what is not committed. Read without the lock:
 * being told a moment late costs nothing, since who begins to listen for good
 * waits for the transactions that are under way.
 */
bool
shmem_wants_changes(void)
{
	static SharedDatabase *entry = NULL;

	if (state == NULL)
		return false;
	if (entry == NULL || entry->database != MyDatabaseId)
	{
		LWLockAcquire(state->lock, LW_SHARED);
		entry = find_database(MyDatabaseId, false);
		LWLockRelease(state->lock);
	}
	return entry != NULL && (entry->listening || !entry->settled);
}

/*
 * This database's breaker, or NULL where nobody can share one.
 */
CircuitBreaker *
shmem_breaker(void)
{
	static SharedDatabase *entry = NULL;

	if (state == NULL)
		return NULL;
	if (entry == NULL || entry->database != MyDatabaseId)
	{
		LWLockAcquire(state->lock, LW_EXCLUSIVE);
		entry = find_database(MyDatabaseId, true);
		LWLockRelease(state->lock);
	}
	return entry == NULL ? NULL : &entry->breaker;
}

/*
 * Tell the worker of chats that changed, in a transaction that is committed.
 * Wakes it for the first of them.
 */
void
shmem_note_changes(const ChatKey *changes, int count)
{
	SharedDatabase *entry;

	LWLockAcquire(state->lock, LW_EXCLUSIVE);
	entry = find_database(MyDatabaseId, false);
	if (entry != NULL && entry->listening && !entry->changed_all)
	{
		bool		first = entry->changes == 0;

		for (int i = 0; i < count; i++)
		{
			SharedChange key = {MyDatabaseId, changes[i]};
			bool		found;

			if (hash_search(changes_table, &key,
							entry->changes < SHARED_CHANGES_QUOTA ? HASH_ENTER_NULL : HASH_FIND,
							&found) == NULL)
			{
				forget_changes(entry);
				break;
			}
			if (!found)
				entry->changes++;
		}
		if (first && entry->worker_latch != NULL)
			SetLatch(entry->worker_latch);
	}
	LWLockRelease(state->lock);
}

/*
 * Keep in mind that a transaction which changed something is prepared.
 */
void
shmem_note_prepared(void)
{
	SharedDatabase *entry;

	LWLockAcquire(state->lock, LW_EXCLUSIVE);
	entry = find_database(MyDatabaseId, true);
	if (entry != NULL)
		entry->prepared = true;
	LWLockRelease(state->lock);
}

/*
 * A prepared transaction was committed: if one of this database changed
 * something, tell the worker that any chats may have changed.
 */
void
shmem_note_commit_prepared(void)
{
	SharedDatabase *entry;

	LWLockAcquire(state->lock, LW_EXCLUSIVE);
	entry = find_database(MyDatabaseId, false);
	if (entry != NULL && entry->prepared && entry->listening && !entry->changed_all)
	{
		forget_changes(entry);
		if (entry->worker_latch != NULL)
			SetLatch(entry->worker_latch);
	}
	LWLockRelease(state->lock);
}

/*
 * As the worker: whether there are changes to take.
 */
bool
shmem_has_changes(void)
{
	SharedDatabase *entry;
	bool		changed;

	if (state == NULL)
		return false;
	LWLockAcquire(state->lock, LW_SHARED);
	entry = find_database(MyDatabaseId, false);
	changed = entry != NULL && entry->listening && (entry->changes > 0 || entry->changed_all);
	LWLockRelease(state->lock);
	return changed;
}

/*
 * As the worker: take the chats that changed, in an array in the current
 * memory context; *all tells that there may be others. Returns their number.
 */
int
shmem_take_changes(ChatKey **changes, bool *all)
{
	SharedDatabase *entry;
	int			count = 0;

	*changes = palloc(SHARED_CHANGES_QUOTA * sizeof(ChatKey));
	*all = false;

	LWLockAcquire(state->lock, LW_EXCLUSIVE);
	entry = find_database(MyDatabaseId, false);
	if (entry != NULL && (entry->changes > 0 || entry->changed_all))
	{
		count = remove_changes(MyDatabaseId, *changes);
		*all = entry->changed_all;
		entry->changed_all = false;
		entry->changes = 0;
	}
	LWLockRelease(state->lock);
	return count;
}

/*
 * chat_internal.pending_changes() returns bigint
 *
 * Null where nobody listens, or nobody knows how many they are.
 */
Datum
chat_pending_changes(PG_FUNCTION_ARGS)
{
	static SqlSignature signature = {SQL_RETURNS(INT8OID)};
	SharedDatabase *entry;
	int			changes = -1;

	sql_signature_check(fcinfo, &signature, InvalidOid);
	if (state == NULL)
		PG_RETURN_NULL();
	LWLockAcquire(state->lock, LW_SHARED);
	entry = find_database(MyDatabaseId, false);
	if (entry != NULL && entry->listening && !entry->changed_all)
		changes = entry->changes;
	LWLockRelease(state->lock);
	if (changes < 0)
		PG_RETURN_NULL();
	PG_RETURN_INT64(changes);
}
