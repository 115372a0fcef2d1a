/*
 * sweep.h
 *		Finds changes of the followed chats that nothing has told of.
 */
#ifndef CHATD_SWEEP_H
#define CHATD_SWEEP_H

/* Any chat may have changed: look at all, as soon as those are done that are being looked at. */
extern void sweep_all(void);

/* In each iteration of the loop: looks at a part of those that are to be looked at. */
extern void sweep_run(void);

/* Once a second: looks at all. */
extern void sweep_tick(void);

#endif
