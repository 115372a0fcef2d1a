/*
 * follow.h
 *		All that follows chats, for the event loop.
 */
#ifndef CHATD_FOLLOW_H
#define CHATD_FOLLOW_H

#include <stdbool.h>

/* In each iteration of the loop, before queries are sent. */
extern void follow_run(void);

/* Is there more to do at once? */
extern bool follow_is_busy(void);

/* At the end of an iteration of the loop. */
extern void follow_end_iteration(void);

/* Once a second. */
extern void follow_tick(void);

/* Ends all streams, since chatd stops. */
extern void follow_stop(void);

/* Is none open any more? */
extern bool follow_has_ended(void);

#endif
