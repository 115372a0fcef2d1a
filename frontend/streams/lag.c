/*
 * lag.c
 *		How long after a change those who follow its chat were sent it.
 *
 * A change has the time of its statement, by PostgreSQL's clock, and no time of its commit. So the lag
 * begins with the statement: what remains of its transaction, the commit, and all that chatd does are in it.
 * A message that was imported, or that has a time of its caller's, tells nothing of chatd: so changes that
 * are old are left out.
 */
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "metrics/figures.h"
#include "streams/lag.h"

#define OLD (INT64_C(3600) * 1000000)	/* us */

/* A time as messages have it, up to the fraction of the second; and how long it is as a whole. */
#define SECONDS_FORMAT "%Y-%m-%dT%H:%M:%S"
#define TIME_LENGTH (sizeof("2026-11-23T02:03:07.964117Z") - 1)

/* The member of a message that has the time of a change. */
static const char *
member_of(const FrameEvent *event)
{
	if (strcmp(event->name, "updated") == 0)
		return "\"edited_at\":\"";
	if (strcmp(event->name, "deleted") == 0)
		return "\"deleted_at\":\"";
	return "\"created_at\":\"";
}

/* When a change was made, in microseconds since 1970; -1 if that is not known. */
static int64_t
time_of(const Frame *frame, const FrameEvent *event)
{
	const char *end = frame->text + event->message_end;
	const char *name = member_of(event);
	char		text[TIME_LENGTH + 1] = "";
	struct tm	parts = {0};
	unsigned	fraction;
	char		zone;

	/*
	 * No other part of a message has this: texts have no bare quotes, and metadata have a space
	 * behind a colon.
	 */
	const char *found = memmem(frame->text + event->message, event->message_end - event->message, name, strlen(name));

	if (found == NULL || end - found < (ptrdiff_t) (strlen(name) + TIME_LENGTH))
		return -1;
	memcpy(text, found + strlen(name), TIME_LENGTH);
	found = strptime(text, SECONDS_FORMAT, &parts);
	if (found == NULL || sscanf(found, ".%6u%c", &fraction, &zone) != 2 || zone != 'Z')
		return -1;
	return (int64_t) timegm(&parts) * 1000000 + fraction;
}

void
lag_count(const Frame *frame, int events, int followers)
{
	struct timespec clock;
	int64_t		now;

	clock_gettime(CLOCK_REALTIME, &clock);
	now = (int64_t) clock.tv_sec * 1000000 + clock.tv_nsec / 1000;
	for (int i = 0; i < events; i++)
	{
		int64_t		time = time_of(frame, &frame->events[i]);

		if (time >= 0 && now - time < OLD)
			histogram_add(&figures->stream_lags, time_bounds, now > time ? now - time : 0, followers);
	}
}
