/*
 * pause.c
 *		Responses that wait before they are sent.
 *
 * All wait equally long, so the list is in the order of their times.
 */
#include "common/loop.h"
#include "http/daemon.h"
#include "http/pause.h"

static Request *first;
static Request *last;
static Timer timer;

/* Has the responses sent whose pause is over, and sets the timer for the next. */
static void
end_pauses(void *unused)
{
	(void) unused;
	while (first && first->pause_until <= loop_now())
	{
		Request    *request = first;

		first = request->next_paused;
		daemon_resume(request->connection);
	}
	if (first)
		loop_arm(&timer, first->pause_until);
	else
		last = NULL;
}

bool
pause_is_due(const Request *request)
{
	return request->pauses && !daemon_is_stopping();
}

void
pause_begin(Request *request)
{
	request->pause_until = loop_now() + PAUSE;
	request->next_paused = NULL;
	if (last)
		last->next_paused = request;
	else
		first = request;
	last = request;
	timer.fire = end_pauses;
	loop_arm(&timer, first->pause_until);
}
