/*
 * loop.c
 *		The event loop: file descriptors and timers.
 *
 * The clock stands still while the process does not run, as when its container is paused or
 * its machine is migrated: no deadline passes in that time, as nothing could meet it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

#include "common/log.h"
#include "common/loop.h"

#define EVENTS_PER_TURN 64
#define LONGEST_TURN 2000		/* ms; in a turn that waits longer the process did not run */

static int	loop_fd = -1;
static uint64_t now;
static uint64_t stood_still;	/* ms by which the loop's clock is behind the system's */
static Timer *timers;			/* few: one per database session, and a tick */

static uint64_t
system_clock(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t) time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

/* Reads the clock, once in each turn. wait: how long the turn may have waited, in ms. */
static void
read_clock(int wait)
{
	uint64_t	passed = system_clock() - stood_still - now;

	if (passed > (uint64_t) wait + LONGEST_TURN)
		stood_still += passed - wait;
	now = system_clock() - stood_still;
}

void
loop_open(void)
{
	loop_fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop_fd < 0)
	{
		log_event("cannot create an epoll descriptor: %s", strerror(errno));
		exit(1);
	}
	now = system_clock();
}

uint64_t
loop_now(void)
{
	return now;
}

uint64_t
loop_clock(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t) time.tv_sec * 1000000 + time.tv_nsec / 1000;
}

void
loop_watch(Watcher *watcher, int fd, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = watcher};
	bool		known = watcher->fd == fd;

	if (known && watcher->events == events)
		return;
	if (!known)
		loop_unwatch(watcher);
	if (epoll_ctl(loop_fd, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event) < 0)
	{
		log_event("cannot watch a descriptor: %s", strerror(errno));
		exit(1);
	}
	watcher->fd = fd;
	watcher->events = events;
}

void
loop_unwatch(Watcher *watcher)
{
	if (watcher->fd >= 0)
		epoll_ctl(loop_fd, EPOLL_CTL_DEL, watcher->fd, NULL);
	watcher->fd = -1;
}

void
loop_arm(Timer *timer, uint64_t due)
{
	timer->due = due;
	if (!timer->linked)
	{
		timer->linked = true;
		timer->next = timers;
		timers = timer;
	}
}

/* Milliseconds until the first timer is due; one of them is always armed. */
static int
time_left(void)
{
	uint64_t	first = UINT64_MAX;

	for (Timer *timer = timers; timer; timer = timer->next)
		if (timer->due && timer->due < first)
			first = timer->due;
	return first <= now ? 0 : (int) (first - now);
}

void
loop_wait(bool busy)
{
	struct epoll_event events[EVENTS_PER_TURN];
	int			wait = busy ? 0 : time_left();
	int			count;

	count = epoll_wait(loop_fd, events, EVENTS_PER_TURN, wait);
	read_clock(wait);
	for (int i = 0; i < count; i++)
	{
		Watcher    *watcher = events[i].data.ptr;

		/* An earlier callback of this iteration may have ended the watch. */
		if (watcher->fd >= 0)
			watcher->ready(watcher->owner, events[i].events);
	}
}

void
loop_fire_timers(void)
{
	for (Timer *timer = timers; timer; timer = timer->next)
	{
		if (timer->due && timer->due <= now)
		{
			timer->due = 0;
			timer->fire(timer->owner);
		}
	}
}
