/*
 * limit.h
 *		A limit of a caller, and what is left of it: see rate_limit.h.
 */
#ifndef CHATD_LIMIT_H
#define CHATD_LIMIT_H

#define LIMITS_MAX 4			/* of one request: two of the address, two of the credential */

/* A limit, and what is left of it for a caller. */
typedef struct Limit
{
	const char *name;
	int			rate;			/* per second */
	int			remaining;
	int			reset;			/* seconds until all is there again */
} Limit;

#endif
