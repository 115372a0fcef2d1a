/*
 * shmem.h
 *	  What the extension's processes tell each other in shared memory: see
 *	  shmem.c.
 */
#ifndef PG_CHAT_SHMEM_H
#define PG_CHAT_SHMEM_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "common/circuit_breaker.h"
#include "common/keys.h"

/* Whether a database has the extension, as a worker found when it last looked. */
typedef enum ExtensionState
{
	EXTENSION_UNKNOWN,			/* none looked, or not since a command may have made it */
	EXTENSION_MISSING,
	EXTENSION_HERE
} ExtensionState;

/* What is known of a database. */
typedef struct DatabaseState
{
	bool		known;			/* false: there is no room for it, nor for the rest */
	bool		has_worker;
	bool		held;			/* workers must keep out */
	ExtensionState extension;
	uint32		invitations;	/* rises whenever there may be something new to look at */
} DatabaseState;

extern void shmem_init(void);
extern bool shmem_available(void);

/* For the launcher. */
extern void shmem_register_launcher(void);
extern DatabaseState shmem_database_state(Oid database);
extern void shmem_forget_others(const Oid *databases, int count);

/* For a worker. */
extern bool shmem_register_worker(void);
extern uint32 shmem_invitations(void);
extern void shmem_report_extension(bool exists, uint32 invitations);
extern int	shmem_worker(TimestampTz *since);
extern int	shmem_take_changes(ChatKey **changes, bool *all);
extern bool shmem_has_changes(void);
extern void shmem_listen(bool listen);

/* For any backend. */
extern void shmem_probe_database(Oid database);
extern void shmem_hold_database(Oid database);
extern void shmem_release_database(Oid database);
extern bool shmem_wants_changes(void);
extern void shmem_note_changes(const ChatKey *changes, int count);
extern void shmem_note_prepared(void);
extern void shmem_note_commit_prepared(void);
extern CircuitBreaker *shmem_breaker(void);

#endif							/* PG_CHAT_SHMEM_H */
