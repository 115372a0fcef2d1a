/*
 * database_registry.h
 *	  Databases and their workers: see database_registry.c.
 */
#ifndef PG_CHAT_DATABASE_REGISTRY_H
#define PG_CHAT_DATABASE_REGISTRY_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "changes/shmem.h"
#include "common/circuit_breaker.h"

/* The state of a database, as shared memory has it. */
typedef struct DatabaseState
{
	bool		known;			/* false: there is no room for its entry, and the rest is not set */
	bool		has_worker;
	bool		held;			/* workers must keep out */
	ExtensionState extension;
	uint32		invitations;	/* rises whenever the database may have got the extension */
} DatabaseState;

/* For the launcher. */
extern void registry_set_launcher(void);
extern DatabaseState registry_state(Oid database);
extern void registry_forget_others(const Oid *databases, int count);

/* For a worker. */
extern bool registry_add_worker(void);
extern uint32 registry_invitations(void);
extern void registry_report_extension(bool exists, uint32 invitations);

/* For any backend. */
extern int	registry_worker(TimestampTz *since);
extern void registry_invite(Oid database);
extern CircuitBreaker *registry_circuit_breaker(void);

#endif							/* PG_CHAT_DATABASE_REGISTRY_H */
