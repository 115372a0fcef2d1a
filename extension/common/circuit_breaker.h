/*
 * circuit_breaker.h
 *	  Whether to ask a server after it failed: see circuit_breaker.c.
 */
#ifndef PG_CHAT_CIRCUIT_BREAKER_H
#define PG_CHAT_CIRCUIT_BREAKER_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "storage/spin.h"

/* The state of a server; zeros, except for the lock, if it has not failed. */
typedef struct CircuitBreaker
{
	slock_t		lock;
	int			failures;		/* in succession */
	bool		probing;		/* a probe is under way */
	TimestampTz retry_at;		/* time of the next probe, after a failure */
} CircuitBreaker;

extern void circuit_breaker_reset(CircuitBreaker *breaker);
extern bool circuit_breaker_lets_pass(CircuitBreaker *breaker);
extern void circuit_breaker_succeeded(CircuitBreaker *breaker);
extern bool circuit_breaker_failed(CircuitBreaker *breaker);

#endif							/* PG_CHAT_CIRCUIT_BREAKER_H */
