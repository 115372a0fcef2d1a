/*
 * shared.h
 *	  What the extension's processes tell each other in shared memory: see
 *	  shared.c.
 */
#ifndef PG_CHAT_SHARED_H
#define PG_CHAT_SHARED_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "common/circuit_breaker.h"

/* A chat of which something changed. Has no padding, since it is hashed. */
typedef struct ChangedChat
{
	int32		application;
	int32		chat;
} ChangedChat;

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

extern void shared_define(void);
extern bool shared_available(void);

/* For the launcher. */
extern void shared_register_launcher(void);
extern DatabaseState shared_database_state(Oid database);
extern void shared_forget_others(const Oid *databases, int count);

/* For a worker. */
extern bool shared_register_worker(void);
extern uint32 shared_invitations(void);
extern void shared_report_extension(bool exists, uint32 invitations);
extern int	shared_worker(TimestampTz *since);
extern int	shared_take_changes(ChangedChat **changes, bool *all);
extern bool shared_has_changes(void);
extern void shared_listen(bool listen);

/* For any backend. */
extern void shared_probe_database(Oid database);
extern void shared_hold_database(Oid database);
extern void shared_release_database(Oid database);
extern bool shared_wants_changes(void);
extern void shared_note_changes(const ChangedChat *changes, int count);
extern void shared_note_prepared(void);
extern void shared_note_commit_prepared(void);
extern Breaker *shared_breaker(void);

#endif							/* PG_CHAT_SHARED_H */
