/*
 * recount.h
 *	  Counters that are counted anew: see recount.c.
 */
#ifndef PG_CHAT_RECOUNT_H
#define PG_CHAT_RECOUNT_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "bgworker/repaired_counts.h"
#include "common/keys.h"

/* The most parents that are counted in one transaction. */
#define RECOUNT_SLICE 500

/* A parent with its counters, and what they should be. */
typedef struct RecountItem
{
	ChatKey		parent;
	TimestampTz created_at;		/* distinguishes it from a later parent with the same key */
	bool		missing;		/* an application that has no counters */
	int32		count;
	int32		last_number;
	int32		last_revision;
	int32		counted;
	int32		highest;
	int32		highest_revision;
	bool		repaired;
} RecountItem;

/* The result of counting. */
typedef struct RecountResult
{
	MemoryContext context;		/* of the array */
	uint64		examined;		/* parents that were counted */
	RecountItem *wrong;			/* those with wrong counters */
	int			wrong_count;
	int			wrong_capacity;
} RecountResult;

/* Called for each counter that was repaired. */
typedef void (*RepairCallback) (const RepairedCount *repaired, void *context);

/*
 * A walk over parents: writes the first ones after a position, in key order and
 * through those of last_application, into parents, which has room for limit.
 * Returns their number.
 */
typedef int (*RecountWalk) (ChatKey *parents, int limit, ChatKey after, int32 last_application);

extern void recount_lock(void);
extern bool recount_lock_is_free(void);
extern void recount_count(const ChatKey *parents, int count, RecountResult *result);
extern void recount_repair(RecountResult *result);
extern void recount_report(const RecountResult *result, RepairCallback callback, void *context);
extern int	recount_next_chats(ChatKey *parents, int limit, ChatKey after, int32 last_application);
extern int	recount_next_applications(ChatKey *parents, int limit, ChatKey after, int32 last_application);

#endif							/* PG_CHAT_RECOUNT_H */
