/*
 * pool.h
 *		The kinds of sessions, by the statements that they are for.
 */
#ifndef CHATD_POOL_H
#define CHATD_POOL_H

typedef enum Pool
{
	POOL_WRITE,
	POOL_READ,
	POOL_SEARCH,
	POOL_LISTEN,				/* waits for changes */
	POOL_STANDBY_READ,			/* this and the following: the same at standbys */
	POOL_STANDBY_SEARCH,
	POOL_STANDBY_LISTEN,
	POOL_EXPORT,				/* the last: one session for each export, while it goes on, see
								 * exports.h */
	POOL_COUNT
} Pool;

#define POOL_IS_STANDBY(pool) ((pool) >= POOL_STANDBY_READ && (pool) <= POOL_STANDBY_LISTEN)
#define POOL_AT_STANDBY(pool) ((Pool) ((pool) - POOL_READ + POOL_STANDBY_READ))
#define POOL_AT_PRIMARY(pool) ((Pool) ((pool) - POOL_STANDBY_READ + POOL_READ))

#endif
