/*
 * shmem.c
 *	  Shared memory.
 *
 * There is shared memory only if the library is preloaded; otherwise
 * shmem_available() is false, and nothing else here may be called.
 *
 * It has an entry for each database, with a lock of its own, so that one
 * database does not wait for another: who its worker is (database_registry.c),
 * who keeps it free of workers (database_hold.c), which chats changed
 * (change_log.c), and whether its searches are to ask Elasticsearch
 * (common/circuit_breaker.c). An entry is found without a lock, and a process
 * remembers its own database's. The lock of entries is taken only to make one.
 *
 * The room for changed chats is divided into chunks, which all databases take
 * from one list and give back to it, by atomic operations.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/shmem.h"
#include "utils/timestamp.h"

#include "changes/shmem.h"
#include "common/compat.h"

typedef struct SharedState
{
	LWLock	   *lock;			/* taken to create an entry */
	Latch	   *volatile launcher_latch;
	pg_atomic_uint64 free_chunks;	/* the first chunk, and in the upper half how often that
									 * changed */
	SharedDatabase databases[SHARED_DATABASES];
	ChangeChunk chunks[SHARED_CHUNKS];
} SharedState;

static SharedState *state = NULL;
static shmem_startup_hook_type previous_startup_hook = NULL;

static void
shmem_request(void)
{
	RequestAddinShmemSpace(MAXALIGN(sizeof(SharedState)));
	RequestNamedLWLockTranche("pg_chat", SHARED_DATABASES + 1);
}

static void
shmem_startup(void)
{
	bool		found;

	if (previous_startup_hook)
		previous_startup_hook();

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	state = ShmemInitStruct("pg_chat", sizeof(SharedState), &found);
	if (!found)
	{
		LWLockPadded *locks = GetNamedLWLockTranche("pg_chat");

		memset(state, 0, sizeof(SharedState));
		state->lock = &locks[SHARED_DATABASES].lock;
		for (int i = 0; i < SHARED_DATABASES; i++)
		{
			SharedDatabase *entry = &state->databases[i];

			entry->lock = &locks[i].lock;
			pg_atomic_init_u32(&entry->database, InvalidOid);
			ConditionVariableInit(&entry->worker_left);
			ConditionVariableInit(&entry->changed);
			SpinLockInit(&entry->breaker.lock);
		}
		for (int i = 0; i < SHARED_CHUNKS; i++)
			state->chunks[i].next = i + 1 < SHARED_CHUNKS ? i + 1 : NO_CHUNK;
		pg_atomic_init_u64(&state->free_chunks, 0);
	}
	LWLockRelease(AddinShmemInitLock);
}

/* Request the shared memory. Called once, while libraries are preloaded. */
void
shmem_init(void)
{
	previous_startup_hook = shmem_startup_hook;
	shmem_startup_hook = shmem_startup;
	compat_request_shared_memory(shmem_request);
}

/* Whether there is shared memory, since the library was preloaded. */
bool
shmem_available(void)
{
	return state != NULL;
}

/* The entry of a database, or NULL. InvalidOid finds a free entry. */
static SharedDatabase *
find(Oid database)
{
	for (int i = 0; i < SHARED_DATABASES; i++)
		if (pg_atomic_read_u32(&state->databases[i].database) == database)
			return &state->databases[i];
	return NULL;
}

/* Create the entry of a database, unless another process just did. NULL if there is no room. */
static SharedDatabase *
make(Oid database)
{
	SharedDatabase *entry;

	LWLockAcquire(state->lock, LW_EXCLUSIVE);
	entry = find(database);
	if (entry == NULL)
	{
		entry = find(InvalidOid);
		if (entry != NULL)
		{
			LWLockAcquire(entry->lock, LW_EXCLUSIVE);
			entry->worker_pid = 0;
			entry->worker_latch = NULL;
			entry->extension = EXTENSION_UNKNOWN;
			entry->invitations = 0;
			entry->holders = 0;
			memset(&entry->changes, 0, sizeof(entry->changes));
			entry->changes.start = entry->changes.end = GetCurrentTimestamp();
			entry->changes.first_chunk = entry->changes.last_chunk = NO_CHUNK;
			circuit_breaker_reset(&entry->breaker);
			pg_atomic_write_u32(&entry->database, database);
			LWLockRelease(entry->lock);
		}
	}
	LWLockRelease(state->lock);
	return entry;
}

/*
 * The entry of a database, locked in this mode, or NULL. If create is true, and
 * there is room, it is created.
 */
SharedDatabase *
shmem_lock_database(Oid database, bool create, LWLockMode mode)
{
	/* The last entry, which is mostly that of this process's database. */
	static SharedDatabase *last = NULL;

	for (;;)
	{
		SharedDatabase *entry = last;

		if (entry == NULL || pg_atomic_read_u32(&entry->database) != database)
			entry = find(database);
		if (entry == NULL && create)
			entry = make(database);
		if (entry == NULL)
			return NULL;
		LWLockAcquire(entry->lock, mode);
		/* The launcher may have dropped it in between. */
		if (pg_atomic_read_u32(&entry->database) == database)
		{
			if (database == MyDatabaseId)
				last = entry;
			return entry;
		}
		LWLockRelease(entry->lock);
	}
}

/* Unlock an entry, if it is not NULL. */
void
shmem_unlock_database(SharedDatabase *entry)
{
	if (entry != NULL)
		LWLockRelease(entry->lock);
}

/*
 * The entry of this process's database, not locked; NULL if there is no room
 * for it.
 */
SharedDatabase *
shmem_own_database(void)
{
	static SharedDatabase *own = NULL;

	if (own == NULL || pg_atomic_read_u32(&own->database) != MyDatabaseId)
	{
		own = shmem_lock_database(MyDatabaseId, true, LW_SHARED);
		shmem_unlock_database(own);
	}
	return own;
}

/* The entry at a place, from 0 to SHARED_DATABASES - 1; it may be free. */
SharedDatabase *
shmem_database_at(int place)
{
	return &state->databases[place];
}

/* The chunk with this number. */
ChangeChunk *
shmem_chunk(int chunk)
{
	return &state->chunks[chunk];
}

/* The head of the list of free chunks after another change, which made this chunk the first. */
static uint64
next_head(uint64 head, int first)
{
	return (((head >> 32) + 1) << 32) | (uint32) first;
}

/* Take a free chunk. It is empty and has no next one. NO_CHUNK if there is none. */
int
shmem_take_chunk(void)
{
	uint64		head = pg_atomic_read_u64(&state->free_chunks);
	int			chunk;

	do
	{
		chunk = (int32) (uint32) head;
		if (chunk == NO_CHUNK)
			return NO_CHUNK;
		/* If another process takes it first, its next may be anything, but the head has changed. */
	} while (!pg_atomic_compare_exchange_u64(&state->free_chunks, &head,
											 next_head(head, *(volatile int *) &state->chunks[chunk].next)));
	state->chunks[chunk].next = NO_CHUNK;
	state->chunks[chunk].count = 0;
	return chunk;
}

/* Give back chunks that are linked from first to last; first may be NO_CHUNK. */
void
shmem_give_chunks(int first, int last)
{
	uint64		head = pg_atomic_read_u64(&state->free_chunks);

	if (first == NO_CHUNK)
		return;
	do
		state->chunks[last].next = (int32) (uint32) head;
	while (!pg_atomic_compare_exchange_u64(&state->free_chunks, &head, next_head(head, first)));
}

/* Set the latch of the launcher; NULL: there is none. */
void
shmem_set_launcher_latch(Latch *latch)
{
	state->launcher_latch = latch;
}

/*
 * Wake the launcher, if there is one. The latch of a process that has ended is
 * still valid memory.
 */
void
shmem_wake_launcher(void)
{
	Latch	   *latch = state->launcher_latch;

	if (latch != NULL)
		SetLatch(latch);
}
