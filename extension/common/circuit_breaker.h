/*
 * circuit_breaker.h
 *	  Whether to ask a server, after it failed: see circuit_breaker.c.
 */
#ifndef PG_CHAT_CIRCUIT_BREAKER_H
#define PG_CHAT_CIRCUIT_BREAKER_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "storage/spin.h"

/* How those who share it get on with the server; all zero but the lock: well. */
typedef struct CircuitBreaker
{
	slock_t		lock;
	int			failures;		/* in succession */
	bool		probing;		/* one asks, to see whether it is back */
	TimestampTz retry_at;		/* when the next one is to ask, if there were failures */
} CircuitBreaker;

extern void circuit_breaker_reset(CircuitBreaker *breaker);
extern bool circuit_breaker_lets_pass(CircuitBreaker *breaker);
extern void circuit_breaker_succeeded(CircuitBreaker *breaker);
extern bool circuit_breaker_failed(CircuitBreaker *breaker);

#endif							/* PG_CHAT_CIRCUIT_BREAKER_H */
