/*
 * caller.h
 *		Callers: an address, a key, or a user of an application.
 *
 * Each caller has limits, and takes turns with the others. It is known by a
 * number, which nobody outside can foresee.
 */
#ifndef CHATD_CALLER_H
#define CHATD_CALLER_H

#include "access/grant.h"
#include "http/request.h"

/* Returns the caller of the address that a request comes from; an IPv6 client counts as its /64. */
extern uint64_t caller_of_address(const Request *request);

/* Returns the caller that a grant is for. */
extern uint64_t caller_of_grant(Grant *grant);

#endif
