/*
 * replay.h
 *		Reads that wait until a standby has replayed what their client has written.
 */
#ifndef CHATD_REPLAY_H
#define CHATD_REPLAY_H

#include "db/query.h"

/* Has a read for a pool at standbys wait until one of them has replayed its LSN, for a second at most. */
extern void replay_wait(Query *query);

/* How many wait. */
extern int	replay_count(void);

/* Once a second: asks the sessions at standbys how far these are. */
extern void replay_tick(void);

/*
 * At the end of an iteration of the loop: submits those whose wait has ended, and has those that
 * have waited too long read from the primary.
 */
extern void replay_run(void (*submit) (Query *query));

#endif
