/*
 * loop.h
 *		The one event loop: descriptors and timers.
 *
 * A watcher waits for a descriptor, a timer for a moment. Both are embedded in
 * whatever they belong to and must stay where they are while in use. Times are
 * milliseconds of a clock that never jumps.
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
	bool		known;
	struct Timer *next;
} Timer;

/* Opens the loop; call once in each process. Ends the process on failure. */
extern void loop_open(void);

/*
 * Watches fd for epoll's events; if the watcher already watches fd, changes
 * the events, without a system call if they are the same.
 */
extern void loop_watch(Watcher *watcher, int fd, uint32_t events);
extern void loop_unwatch(Watcher *watcher);

/* Fires the timer once at a moment; 0 disarms it. */
extern void loop_arm(Timer *timer, uint64_t due);

/* The time at which the current turn began. */
extern uint64_t loop_now(void);

/*
 * One turn: waits for events (not at all if busy), then calls what is ready
 * and what is due.
 */
extern void loop_turn(bool busy);

#endif
