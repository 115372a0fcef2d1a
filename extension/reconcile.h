/*
 * reconcile.h
 *	  Counts that are counted anew: see reconcile.c.
 */
#ifndef PG_CHAT_RECONCILE_H
#define PG_CHAT_RECONCILE_H

#include "postgres.h"

#include "shared.h"

/* How many parents are counted in one transaction. */
#define RECONCILE_SLICE 100

/* What a reconciliation did. */
typedef struct Reconciled
{
	uint64		examined;		/* parents that were counted */
	uint64		mended;			/* counters that were wrong */
} Reconciled;

/* Called for each counter that was wrong; chat is 0 for the application's. */
typedef void (*MendedCallback) (int32 application, int32 chat, const char *counter,
								int32 was, int32 mended_to, void *context);

extern void reconcile_lock(void);
extern int	reconcile_queued(ChangedChat *parents, int limit, ChangedChat after);
extern void reconcile_dequeue(const ChangedChat *parents, int count);
extern void reconcile_parents(const ChangedChat *parents, int count, Reconciled *result,
							  MendedCallback callback, void *context);
extern bool reconcile_chats_after(ChangedChat *position, int32 last_application, int limit,
								  Reconciled *result, MendedCallback callback, void *context);
extern bool reconcile_applications_after(int32 *position, int32 last_application, int limit,
										 Reconciled *result, MendedCallback callback, void *context);

#endif							/* PG_CHAT_RECONCILE_H */
