/*
 * es_version.c
 *	  Versions of documents.
 *
 * A document's version is always more than any before, whatever happens to the
 * clock: so what is sent later outranks what was sent earlier, in whatever
 * order it arrives. It is the time, in microseconds, and above it the timeline:
 * what a promoted standby says outranks what the former primary said last,
 * which the standby may never have heard of.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "common/compat.h"
#include "elasticsearch/es_version.h"

/* Versions begin so much above the last that was noted, which may not be the last that was sent. */
#define NOTED_MARGIN_US (60 * INT64CONST(1000000))

/*
 * They skip so much where the index has a future that was lost: its versions
 * may be ahead of the clock, by the margins of some restarts, or since the
 * clock was ahead.
 */
#define LOST_MARGIN_US (24 * 60 * 60 * INT64CONST(1000000))

/* Microseconds since 2000 have so many bits until 2071; what is left of 63 are timelines. */
#define TIME_BITS 51
#define TIMELINES 4096

/* The last one that was given; 0: none was. Lasts until the worker ends. */
static int64 last = 0;

/* The version of documents that are read from now on. */
int64
es_version_next(void)
{
	int64		timeline = Min(compat_timeline(), TIMELINES - 1);

	last = Max(last + 1, (timeline << TIME_BITS) + GetCurrentTimestamp());
	return last;
}

/* The last one that was given. */
int64
es_version_last(void)
{
	return last;
}

/* Begin above what was noted before this worker, unless it has begun. 0: nothing was. */
void
es_version_begin_above(int64 noted)
{
	if (last == 0 && noted > 0)
		last = noted + NOTED_MARGIN_US;
}

/* Go on above what may have been given and lost. Returns the last that is skipped. */
int64
es_version_skip_lost(void)
{
	last = es_version_next() + LOST_MARGIN_US;
	return last;
}
