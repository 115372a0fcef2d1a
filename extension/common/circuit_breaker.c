/*
 * circuit_breaker.c
 *	  Whether to ask a server after it failed.
 *
 * Requests to a server that is down only wait for a timeout. So after a
 * failure no request is made for a pause; then a single one is made, as a
 * probe. Each probe that fails doubles the pause. The state may be in shared
 * memory, so that all processes share it.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "common/circuit_breaker.h"
#include "common/due_time.h"

/* The pause after the first failure, and the longest. */
#define FIRST_PAUSE_MS 1000
#define PAUSE_MAX_MS 30000

/* The end of a pause that begins now; random, after half to all of its length. */
static TimestampTz
pause_end(TimestampTz now, int failures)
{
	int			pause_ms = FIRST_PAUSE_MS;

	while (--failures > 0 && pause_ms < PAUSE_MAX_MS)
		pause_ms *= 2;
	pause_ms = Min(pause_ms, PAUSE_MAX_MS);
	return TimestampTzPlusMilliseconds(now, pause_ms / 2 + random() % (pause_ms / 2));
}

/* Initialize: the server has not failed. No other process may use the breaker yet. */
void
circuit_breaker_reset(CircuitBreaker *breaker)
{
	breaker->failures = 0;
	breaker->probing = false;
	breaker->retry_at = 0;
}

/*
 * Whether to ask the server now. After a failure, true makes the caller's
 * request the probe: others get false until another pause is over, in case the
 * caller never reports.
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

/* Report that the server answered. */
void
circuit_breaker_succeeded(CircuitBreaker *breaker)
{
	SpinLockAcquire(&breaker->lock);
	breaker->failures = 0;
	breaker->probing = false;
	SpinLockRelease(&breaker->lock);
}

/*
 * Report that the server failed. Returns true for the first failure, after
 * which it is no longer asked. Further failures of requests made before that do
 * not lengthen the pause.
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
