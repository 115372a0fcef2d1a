/*
 * shmem.h
 *	  Shared memory: see shmem.c.
 */
#ifndef PG_CHAT_SHMEM_H
#define PG_CHAT_SHMEM_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "port/atomics.h"
#include "storage/condition_variable.h"
#include "storage/latch.h"
#include "storage/lwlock.h"

#include "common/circuit_breaker.h"
#include "common/keys.h"

/* Whether a database has the extension, as a worker found when it last looked. */
typedef enum ExtensionState
{
	EXTENSION_UNKNOWN,			/* none looked, or not since a command may have made it */
	EXTENSION_MISSING,
	EXTENSION_HERE
} ExtensionState;

/* Chats that were noted last, by which most repetitions are recognized. */
#define NOTED_LAST 64

/* Changed chats of a database: see change_set.c. */
typedef struct SharedChangeSet
{
	bool		listening;		/* the worker wants to know of changes */
	bool		settled;		/* the worker has said whether it listens */
	bool		all;			/* too many changes to name */
	bool		prepared;		/* a prepared transaction may have changes */
	int			count;
	int			first_chunk;	/* NO_CHUNK: none */
	int			last_chunk;
	ChatKey		noted[NOTED_LAST];	/* by hash */
} SharedChangeSet;

/*
 * The state of a database. All but the database's OID, the change set's
 * first two flags and the breaker is read and written under the lock.
 */
typedef struct SharedDatabase
{
	LWLock	   *lock;
	pg_atomic_uint32 database;	/* InvalidOid: the entry is free */
	int			worker_pid;		/* 0: none */
	TimestampTz worker_since;
	Latch	   *worker_latch;
	ConditionVariable worker_left;
	ExtensionState extension;
	uint32		invitations;
	int			holders;
	SharedChangeSet changes;
	CircuitBreaker breaker;		/* has its own lock */
} SharedDatabase;

/* Databases that can be known at a time. */
#define SHARED_DATABASES 1024

/* A part of a list of changed chats. */
#define CHUNK_KEYS 63
#define NO_CHUNK (-1)

typedef struct ChangeChunk
{
	int			next;
	int			count;
	ChatKey		keys[CHUNK_KEYS];
} ChangeChunk;

/* Room for changed chats of all databases. */
#define SHARED_CHUNKS 4096

extern void shmem_init(void);
extern bool shmem_available(void);
extern SharedDatabase *shmem_lock_database(Oid database, bool create, LWLockMode mode);
extern void shmem_unlock_database(SharedDatabase *entry);
extern SharedDatabase *shmem_own_database(void);
extern SharedDatabase *shmem_database_at(int place);
extern ChangeChunk *shmem_chunk(int chunk);
extern int	shmem_take_chunk(void);
extern void shmem_give_chunks(int first, int last);
extern void shmem_set_launcher_latch(Latch *latch);
extern void shmem_wake_launcher(void);

#endif							/* PG_CHAT_SHMEM_H */
