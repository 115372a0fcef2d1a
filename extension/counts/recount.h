/*
 * reconcile.h
 *	  Counts that are counted anew: see reconcile.c.
 */
#ifndef PG_CHAT_RECONCILE_H
#define PG_CHAT_RECONCILE_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "changes/shmem.h"

/* How many parents are counted in one transaction, at most. */
#define RECONCILE_SLICE 500

/* A parent with its counters and what they should be. */
typedef struct Counted
{
	int32		application;
	int32		chat;			/* 0: the application itself */
	TimestampTz created_at;		/* tells it from a later one with the same key */
	bool		missing;		/* an application that has no counters */
	int32		count;
	int32		last_number;
	int32		counted;
	int32		highest;
	bool		mended;
} Counted;

/* What counting found. */
typedef struct Reconciled
{
	MemoryContext context;		/* of what follows */
	uint64		examined;		/* parents that were counted */
	Counted    *wrong;			/* those of them that are wrong */
	int			wrong_count;
	int			wrong_capacity;
} Reconciled;

/* Called for each counter that was wrong; chat is 0 for the application's. */
typedef void (*MendedCallback) (int32 application, int32 chat, const char *counter,
								int32 was, int32 mended_to, void *context);

extern void reconcile_lock(void);
extern bool reconcile_lock_is_free(void);
extern int	reconcile_queued(ChangedChat *parents, int limit, ChangedChat after);
extern void reconcile_keys(const ChangedChat *parents, int count, Datum *values);
extern void reconcile_enqueue(const Datum *keys);
extern void reconcile_dequeue(const ChangedChat *parents, int count);
extern void reconcile_requeue(ChangedChat parent);
extern void reconcile_count(const ChangedChat *parents, int count, Reconciled *result);
extern void reconcile_mend(Reconciled *result);
extern void reconcile_report(const Reconciled *result, MendedCallback callback, void *context);
extern int	reconcile_next_chats(ChangedChat *parents, int limit, ChangedChat after,
								 int32 last_application);
extern int	reconcile_next_applications(ChangedChat *parents, int limit, ChangedChat after,
										int32 last_application);

#endif							/* PG_CHAT_RECONCILE_H */
