/*
 * due_time.c
 *	  Times to wait for, on a clock that may be set.
 *
 * A time that is further away than the interval it was set with can only come
 * from a clock that was set back since. It counts as passed: else whatever waits
 * for it would wait for as long as the clock was set back by.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "common/due_time.h"

/*
 * The milliseconds from now until a time that was set at most interval_ms ahead;
 * 0 if it has passed.
 */
long
due_time_left_ms(TimestampTz now, TimestampTz due, long interval_ms)
{
	long		left_ms = TimestampDifferenceMilliseconds(now, due);

	return left_ms > interval_ms ? 0 : left_ms;
}

/*
 * Whether a time has passed that was set at most interval_ms ahead. If so, it is
 * set to interval_ms from now.
 */
bool
due_time_passed(TimestampTz *due, long interval_ms)
{
	TimestampTz now = GetCurrentTimestamp();

	if (due_time_left_ms(now, *due, interval_ms) > 0)
		return false;
	*due = TimestampTzPlusMilliseconds(now, interval_ms);
	return true;
}
