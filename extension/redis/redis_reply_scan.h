/*
 * redis_reply_scan.h
 *	  Whether what a Redis server sends is fit to be parsed: see
 *	  redis_reply_scan.c.
 */
#ifndef PG_CHAT_REDIS_REPLY_SCAN_H
#define PG_CHAT_REDIS_REPLY_SCAN_H

#include "postgres.h"

/* Arrays in one another, at most: SCAN answers with one in one. */
#define REDIS_REPLY_DEPTH 2

/* Where the scan of an exchange's replies stands. */
typedef struct RedisReplyScan
{
	int			awaited;		/* replies that are still to begin or to end */
	int			elements;		/* of arrays, as announced so far */
	int			depth;			/* arrays that are open */
	int			missing[REDIS_REPLY_DEPTH]; /* elements that each of them lacks */
	char		type;			/* of the line that is being read, or 0 */
	bool		carriage_return;	/* was the last byte of it */
	bool		negative;		/* the number in it has a sign */
	int			digits;			/* of it */
	int64		number;
	int64		payload;		/* bytes of a string that are passed over */
} RedisReplyScan;

extern RedisReplyScan redis_reply_scan_begin(int replies);
extern const char *redis_reply_scan(RedisReplyScan *scan, const char *bytes, size_t count);

#endif							/* PG_CHAT_REDIS_REPLY_SCAN_H */
