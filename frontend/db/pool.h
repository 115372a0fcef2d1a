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
	POOL_EXPORT,				/* the last: one session for each export, while it goes on, see
								 * exports.h */
	POOL_COUNT
} Pool;

#endif
