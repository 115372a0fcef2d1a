/*
 * purge.h
 *	  Rows of what was deleted, and their removal: see purge.c.
 */
#ifndef PG_CHAT_PURGE_H
#define PG_CHAT_PURGE_H

#include "postgres.h"

#include "common/keys.h"

/* Rows that are removed in one transaction of a caller's, at most. */
#define PURGE_ROWS 1000

/* A walk over all that was deleted, in the order of its keys. */
typedef struct Purge
{
	bool		of_others;		/* also what was deleted in other databases */
	ChatKey		position;		/* what the walk is at, or was at last */
	bool		under_way;		/* it is at it */
	int32		began;			/* of its messages or chats, where the last step began */
	int32		through;		/* and ended */
} Purge;

extern bool purge_at_once(ChatKey deleted);
extern bool purge_step(Purge *purge, int limit, uint64 *rows);
extern uint64 purge_mark_chats(int32 application, int32 *above, int limit, bool wait);

#endif							/* PG_CHAT_PURGE_H */
