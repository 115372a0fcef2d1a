/*
 * redis_claim.h
 *	  Claims to the keys in Redis: see redis_claim.c.
 */
#ifndef PG_CHAT_REDIS_CLAIM_H
#define PG_CHAT_REDIS_CLAIM_H

#include "postgres.h"

extern void redis_claim_keys(const char *job);

#endif							/* PG_CHAT_REDIS_CLAIM_H */
