/*
 * rate_limit.h
 *		Limits of requests and messages per second.
 *
 * Each caller has a bucket for each of its limits, which holds as many as may
 * be sent in ten seconds, and fills evenly. A caller is an address, a key, or
 * a user of an application.
 */
#ifndef CHATD_RATE_LIMIT_H
#define CHATD_RATE_LIMIT_H

#include <stdbool.h>

#include "access/visit.h"

/* Returns whether the address may send this request. If not, responds with 429. */
extern bool rate_limit_admits_address(Visit *visit);

/*
 * Returns whether the address may send the further messages of this request, which is
 * complete. If not, responds with 429 or 413.
 */
extern bool rate_limit_admits_items(Visit *visit);

/* Returns whether the owner of the credential may send this request. If not, responds with 429 or 413. */
extern bool rate_limit_admits_grant(Visit *visit);

/* Fills all buckets anew. */
extern void rate_limits_reset(void);

/* Adds the headers that say how much is left. */
extern void rate_limit_complete(Visit *visit);

#endif
