/*
 * circuit_breaker.c
 *	  Whether to ask a server, after it failed.
 *
 * Who asks a server that is away waits in vain. So after a failure nobody asks
 * for a while; then one does, as a probe. Each probe that fails doubles the
 * while. The state may be in shared memory; then all who share it act together.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "common/circuit_breaker.h"

/* How long nobody asks after the first failure, and at most. */
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
 * Whether to ask now. Who is told so after a failure is the probe: others are
 * not, until another pause is over, should nobody hear of the probe again.
 */
bool
circuit_breaker_lets_pass(CircuitBreaker *breaker)
{
	TimestampTz now = GetCurrentTimestamp();
	bool		allowed;

	SpinLockAcquire(&breaker->lock);
	allowed = breaker->failures == 0;

	/* A pause that ends later than any can is of a clock that was set back. */
	if (!allowed &&
		(now >= breaker->retry_at ||
		 breaker->retry_at > TimestampTzPlusMilliseconds(now, PAUSE_MAX_MS)))
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
