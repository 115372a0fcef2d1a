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
 * The pool for a statement that reads, of those at the primary and at standbys: given that at the
 * primary. A standby counts as there if all pools at standbys are connected.
 */
extern Pool pool_for(StatementId statement, Pool pool);

/* How far any usable session's server of a pool is known to have replayed; UINT64_MAX at the primary. */
extern uint64_t pool_replayed(Pool pool);

/* Calls a function with each usable session at a standby. */
extern void standby_sessions(void (*call) (Session *session));

/*
 * The usable session of the pool, whose server has replayed an LSN, with the fewest operations in
 * flight; NULL if none has fewer than depth.
 */
extern Session *session_pick(Pool pool, uint64_t lsn, int depth);

/*
 * The same for an operation with a large result, which others should not have to wait
 * behind: such operations are in flight in at most half of the sessions, and
 * session_pick() avoids those as long as there is another.
 */
extern Session *session_pick_large(Pool pool, uint64_t lsn, int depth);

/* At the end of an iteration of the loop: flushes the sessions, and ends broken ones. */
extern void sessions_flush(void);

/* Once a second: ends sessions whose server does not respond. */
extern void sessions_tick(void);

#endif
