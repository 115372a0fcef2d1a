/*
 * es_version.c
 *	  Versions of documents.
 *
 * Each version is higher than any before, whatever happens to the clock: so an
 * operation that is sent later wins over one sent earlier, in whichever order
 * they arrive. A version is the time in microseconds, and above it the
 * timeline: operations of a promoted standby win over the last ones of the
 * former primary, which the standby may never have seen.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "common/compat.h"
#include "elasticsearch/es_version.h"

/*
 * The margin at which versions begin above the last recorded one, which may not
 * be the last one sent.
 */
#define NOTED_MARGIN_US (60 * INT64CONST(1000000))

/*
 * The margin that is skipped if the index has operations of a future that was
 * lost: its versions may be ahead of the clock by the margins of some restarts,
 * or because the clock was ahead.
 */
#define LOST_MARGIN_US (24 * 60 * 60 * INT64CONST(1000000))

/* The bits for microseconds since 2000, enough until 2071; the rest of 63 bits has the timeline. */
#define TIME_BITS 51
#define TIMELINES 4096

/* The last version given; 0: none was. Lasts until the worker ends. */
static int64 last = 0;

/* The next version, for documents that are read from now on. */
int64
es_version_next(void)
{
	int64		timeline = Min(compat_timeline(), TIMELINES - 1);

	last = Max(last + 1, (timeline << TIME_BITS) + GetCurrentTimestamp());
	return last;
}

/* The last version given, 0 if none was. */
int64
es_version_last(void)
{
	return last;
}

/* Begin above the version recorded before this worker, unless it has begun. 0: none was. */
void
es_version_begin_above(int64 noted)
{
	if (last == 0 && noted > 0)
		last = noted + NOTED_MARGIN_US;
}

/*
 * Continue above versions that may have been given and lost. Returns the last
 * one that is skipped.
 */
int64
es_version_skip_lost(void)
{
	last = es_version_next() + LOST_MARGIN_US;
	return last;
}
