/*
 * sessions.h
 *		The sessions of a loop that are there all the time, by their pools.
 */
#ifndef CHATD_SESSIONS_H
#define CHATD_SESSIONS_H

#include "db/session.h"

/* How many sessions there can be, as the settings say, those of exports included. */
extern int	sessions_wanted(void);

/* Begins to connect the sessions of all pools but that of exports, as many as the settings say. */
extern void sessions_open(void);

/* Ends all sessions; operations in flight are done with NULL. */
extern void sessions_close(void);

/* Has each session connected, or failed to, since the start? */
extern bool database_tried(void);

/* Is any session of the pool connected? */
extern bool database_ready(Pool pool);

/*
 * The usable session of the pool with the fewest operations in flight; NULL if none
 * has fewer than depth.
 */
extern Session *session_pick(Pool pool, int depth);

/*
 * The same for an operation with a large result, which others should not have to wait
 * behind: such operations are in flight in at most half of the sessions, and
 * session_pick() avoids those as long as there is another.
 */
extern Session *session_pick_large(Pool pool, int depth);

/* At the end of an iteration of the loop: flushes the sessions, and ends broken ones. */
extern void sessions_flush(void);

/* Once a second: ends sessions whose server does not respond. */
extern void sessions_tick(void);

#endif
