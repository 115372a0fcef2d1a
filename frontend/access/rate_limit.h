/*
 * rate_limit.h
 *		How many requests, and messages, a caller may send.
 *
 * Each caller has a bucket for each of its limits, which holds what may be sent in ten
 * seconds, and fills evenly. A caller is an address, a key, or a user of an application.
 */
#ifndef CHATD_RATE_LIMIT_H
#define CHATD_RATE_LIMIT_H

#include <stdbool.h>

#include "access/visit.h"

/* May the address send this request? If not, responds with 429. */
extern bool rate_limit_admits_address(Visit *visit);

/* May the address send the further messages of this request, which is complete? If not, responds with 429. */
extern bool rate_limit_admits_items(Visit *visit);

/* May the owner of the credential send this request? If not, responds with 429. */
extern bool rate_limit_admits_grant(Visit *visit);

/* Says in the response what is left. */
extern void rate_limit_complete(Visit *visit);

#endif
