/*
 * limit.h
 *		A limit of a caller, and how much of it is left: see rate_limit.h.
 */
#ifndef CHATD_LIMIT_H
#define CHATD_LIMIT_H

#define LIMITS_MAX 4			/* of one request: two of the address, two of the credential */

/* A limit of a caller, and how much of it is left. */
typedef struct Limit
{
	const char *name;
	int			rate;			/* per second */
	int			remaining;
	int			reset;			/* seconds until it is complete again */
} Limit;

#endif
