/*
 * circuit_breaker.h
 *	  Whether to ask Elasticsearch, after it failed: see circuit_breaker.c.
 */
#ifndef PG_CHAT_CIRCUIT_BREAKER_H
#define PG_CHAT_CIRCUIT_BREAKER_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "storage/spin.h"

/* How a database's searches get on with Elasticsearch; all zero: well. */
typedef struct CircuitBreaker
{
	slock_t		lock;
	int			failures;		/* in succession */
	bool		probing;		/* one asks, to see whether it is back */
	TimestampTz retry_at;		/* when the next one is to ask, if there were failures */
} CircuitBreaker;

extern bool circuit_breaker_lets_pass(void);
extern void circuit_breaker_succeeded(void);
extern bool circuit_breaker_failed(void);

#endif							/* PG_CHAT_CIRCUIT_BREAKER_H */
