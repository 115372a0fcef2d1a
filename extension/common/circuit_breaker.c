/*
 * circuit_breaker.c
 *	  Whether to ask a server, after it failed.
 *
 * Requests to a server that is down wait in vain. So after a failure none is made
 * for a pause; then one is made, as a probe. Each probe that fails doubles the
 * pause. The state may be in shared memory; then all processes share it.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "common/circuit_breaker.h"
#include "common/due_time.h"

/* The pause after the first failure, and the longest. */
#define FIRST_PAUSE_MS 1000
#define PAUSE_MAX_MS 30000

/* When a pause ends that begins now: after half to all of its length. */
static TimestampTz
pause_end(TimestampTz now, int failures)
{
	int			pause_ms = FIRST_PAUSE_MS;

	while (--failures > 0 && pause_ms < PAUSE_MAX_MS)
		pause_ms *= 2;
	pause_ms = Min(pause_ms, PAUSE_MAX_MS);
	return TimestampTzPlusMilliseconds(now, pause_ms / 2 + random() % (pause_ms / 2));
}

/* Begin anew: all is well. Nobody else has the breaker yet. */
void
circuit_breaker_reset(CircuitBreaker *breaker)
{
	breaker->failures = 0;
	breaker->probing = false;
	breaker->retry_at = 0;
}

/*
 * Whether to ask now. After a failure, true makes the caller the probe: others
 * get false until another pause is over, in case the probe never reports.
 */
bool
circuit_breaker_lets_pass(CircuitBreaker *breaker)
{
	TimestampTz now = GetCurrentTimestamp();
	bool		allowed;

	SpinLockAcquire(&breaker->lock);
	allowed = breaker->failures == 0;
	if (!allowed && due_time_left_ms(now, breaker->retry_at, PAUSE_MAX_MS) == 0)
	{
		allowed = true;
		breaker->probing = true;
		breaker->retry_at = pause_end(now, breaker->failures);
	}
	SpinLockRelease(&breaker->lock);
	return allowed;
}

/* The server answered. */
void
circuit_breaker_succeeded(CircuitBreaker *breaker)
{
	SpinLockAcquire(&breaker->lock);
	breaker->failures = 0;
	breaker->probing = false;
	SpinLockRelease(&breaker->lock);
}

/*
 * The server failed. Returns whether that is news: everybody asked until now.
 * Others that were asking when it first failed do not make the pause longer.
 */
bool
circuit_breaker_failed(CircuitBreaker *breaker)
{
	TimestampTz now = GetCurrentTimestamp();
	bool		first;

	SpinLockAcquire(&breaker->lock);
	first = breaker->failures == 0;
	if (first || breaker->probing)
	{
		breaker->failures++;
		breaker->probing = false;
		breaker->retry_at = pause_end(now, breaker->failures);
	}
	SpinLockRelease(&breaker->lock);
	return first;
}
