/*
 * loop.c
 *		The event loop: file descriptors and timers.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

#include "common/log.h"
#include "common/loop.h"

#define EVENTS_PER_TURN 64

static int	loop_fd = -1;
static uint64_t now;
static Timer *timers;			/* few: one per database session, and a tick */

static void
read_clock(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	now = (uint64_t) time.tv_sec * 1000 + time.tv_nsec / 1000000;
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
	read_clock();
}

uint64_t
loop_now(void)
{
	return now;
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

/* Milliseconds until the first timer is due; -1 if none is armed. */
static int
time_left(void)
{
	uint64_t	first = UINT64_MAX;

	for (Timer *timer = timers; timer; timer = timer->next)
		if (timer->due && timer->due < first)
			first = timer->due;
	if (first == UINT64_MAX)
		return -1;
	return first <= now ? 0 : (int) (first - now);
}

void
loop_turn(bool busy)
{
	struct epoll_event events[EVENTS_PER_TURN];
	int			count;

	count = epoll_wait(loop_fd, events, EVENTS_PER_TURN, busy ? 0 : time_left());
	read_clock();
	for (int i = 0; i < count; i++)
	{
		Watcher    *watcher = events[i].data.ptr;

		/* An earlier callback of this iteration may have ended the watch. */
		if (watcher->fd >= 0)
			watcher->ready(watcher->owner, events[i].events);
	}
	for (Timer *timer = timers; timer; timer = timer->next)
	{
		if (timer->due && timer->due <= now)
		{
			timer->due = 0;
			timer->fire(timer->owner);
		}
	}
}
