/*
 * loop.h
 *		The event loop: file descriptors and timers.
 *
 * A watcher waits for a descriptor, a timer for a point in time. Both are
 * embedded in the struct that they serve and must not move while in use. Times
 * are milliseconds of a clock that runs only while the process does.
 */
#ifndef CHATD_LOOP_H
#define CHATD_LOOP_H

#include <stdbool.h>
#include <stdint.h>

typedef struct Watcher
{
	int			fd;				/* -1: not watched */
	uint32_t	events;
	void		(*ready) (void *owner, uint32_t events);
	void	   *owner;
} Watcher;

typedef struct Timer
{
	uint64_t	due;			/* 0: not armed */
	void		(*fire) (void *owner);
	void	   *owner;
	bool		linked;			/* into the loop's list, for good */
	struct Timer *next;
} Timer;

/* Creates the loop; call once per process. Exits on failure. */
extern void loop_open(void);

/*
 * Watches fd for a set of epoll events. If the watcher already watches fd, only
 * the events change; if they are the same, no system call is made.
 */
extern void loop_watch(Watcher *watcher, int fd, uint32_t events);

/* Stops watching, if the watcher watches anything. */
extern void loop_unwatch(Watcher *watcher);

/* Makes the timer fire once when it is due; 0 disarms it. */
extern void loop_arm(Timer *timer, uint64_t due);

/* The time at which the current iteration began. */
extern uint64_t loop_now(void);

/* The time now, in microseconds, of a clock that never stands still: for measuring. */
extern uint64_t loop_clock(void);

/*
 * Begins an iteration: waits for events, without blocking if busy, and calls the
 * watchers that are ready. At least one timer has to be armed.
 */
extern void loop_wait(bool busy);

/*
 * Calls the timers that are due. To be called when all that has arrived is processed, so
 * that what came in time is not judged to be late.
 */
extern void loop_fire_timers(void);

#endif
