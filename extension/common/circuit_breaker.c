/*
 * circuit_breaker.c
 *	  Whether to ask Elasticsearch, after it failed.
 *
 * A search that asks an Elasticsearch that is away waits in vain. So after a
 * failure none asks for a while; then one does, as a probe. Each probe that
 * fails doubles the while. All backends of a database act together where there
 * is shared memory; elsewhere each is on its own.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "changes/shmem.h"
#include "common/circuit_breaker.h"

/* How long nobody asks after the first failure, and at most. */
#define FIRST_PAUSE_MS 1000
#define PAUSE_MAX_MS 30000

/* The state of this process alone. */
static CircuitBreaker own;

/* Get the state, to oneself. */
static CircuitBreaker *
lock_breaker(void)
{
	CircuitBreaker    *breaker = shmem_breaker();

	if (breaker == NULL)
		return &own;
	SpinLockAcquire(&breaker->lock);
	return breaker;
}

static void
unlock_breaker(CircuitBreaker *breaker)
{
	if (breaker != &own)
		SpinLockRelease(&breaker->lock);
}

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

/*
 * Whether to ask now. Who is told so after a failure is the probe: others are
 * not, until another pause is over, should nobody hear of the probe again.
 */
bool
circuit_breaker_lets_pass(void)
{
	TimestampTz now = GetCurrentTimestamp();
	CircuitBreaker    *breaker = lock_breaker();
	bool		allowed = breaker->failures == 0;

	/* A pause that ends later than any can is of a clock that was set back. */
	if (!allowed &&
		(now >= breaker->retry_at ||
		 breaker->retry_at > TimestampTzPlusMilliseconds(now, PAUSE_MAX_MS)))
	{
		allowed = true;
		breaker->probing = true;
		breaker->retry_at = pause_end(now, breaker->failures);
	}
	unlock_breaker(breaker);
	return allowed;
}

/* Elasticsearch answered. */
void
circuit_breaker_succeeded(void)
{
	CircuitBreaker    *breaker = lock_breaker();

	breaker->failures = 0;
	breaker->probing = false;
	unlock_breaker(breaker);
}

/*
 * Elasticsearch failed. Returns whether that is news: everybody asked until now.
 * Others that were asking when it first failed do not make the pause longer.
 */
bool
circuit_breaker_failed(void)
{
	TimestampTz now = GetCurrentTimestamp();
	CircuitBreaker    *breaker = lock_breaker();
	bool		first = breaker->failures == 0;

	if (first || breaker->probing)
	{
		breaker->failures++;
		breaker->probing = false;
		breaker->retry_at = pause_end(now, breaker->failures);
	}
	unlock_breaker(breaker);
	return first;
}
