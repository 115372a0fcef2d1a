/*
 * breaker.h
 *	  Whether to ask Elasticsearch, after it failed: see breaker.c.
 */
#ifndef PG_CHAT_BREAKER_H
#define PG_CHAT_BREAKER_H

#include "postgres.h"

extern bool breaker_lets_pass(void);
extern void breaker_succeeded(void);
extern bool breaker_failed(void);	/* whether it was closed until now */

#endif							/* PG_CHAT_BREAKER_H */
