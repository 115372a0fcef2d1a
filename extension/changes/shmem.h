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
	EXTENSION_UNKNOWN,			/* no worker has looked since a command that may have created it */
	EXTENSION_MISSING,
	EXTENSION_HERE
} ExtensionState;

/* Recently noted chats, by which most repetitions are recognized. */
#define NOTED_LAST 64

typedef struct NotedChange
{
	ChatKey		chat;
	uint64		position;
} NotedChange;

/* Changed chats of a database: see change_log.c. */
typedef struct SharedChangeLog
{
	bool		listening;		/* the worker reads it */
	int			sessions;		/* readers */
	bool		prepared;		/* a prepared transaction may have changes */
	uint64		start;			/* position of the first change in the log */
	uint64		end;			/* position after the last change */
	uint64		taken;			/* the worker has taken the changes before this */
	uint64		told;			/* sessions have read the changes before this */
	int			chunks;
	int			first_chunk;	/* NO_CHUNK: none */
	int			last_chunk;
	NotedChange noted[NOTED_LAST];	/* by hash */
} SharedChangeLog;

/*
 * The state of a database. All but the database's OID, who reads the log of
 * changes, the condition variables and the breaker is read and written under the
 * lock.
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
	SharedChangeLog changes;
	ConditionVariable changed;	/* for sessions that wait */
	CircuitBreaker breaker;		/* has its own lock */
} SharedDatabase;

/* The most databases that can have an entry. */
#define SHARED_DATABASES 1024

/* The most chats of a chunk, a part of a list of changed chats. */
#define CHUNK_KEYS 63
#define NO_CHUNK (-1)

typedef struct ChangeChunk
{
	int			next;
	int			count;
	ChatKey		keys[CHUNK_KEYS];
} ChangeChunk;

/* The number of chunks, for all databases. */
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
