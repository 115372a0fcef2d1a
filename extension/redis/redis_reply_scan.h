/*
 * redis_reply_scan.h
 *	  Whether the bytes that a Redis server sends may be parsed: see
 *	  redis_reply_scan.c.
 */
#ifndef PG_CHAT_REDIS_REPLY_SCAN_H
#define PG_CHAT_REDIS_REPLY_SCAN_H

#include "postgres.h"

/* The deepest nesting of arrays: the reply to SCAN has an array in an array. */
#define REDIS_REPLY_DEPTH 2

/* The state of the scan of an exchange's replies. */
typedef struct RedisReplyScan
{
	int			awaited;		/* replies that have not ended yet */
	int			elements;		/* of all arrays, as announced so far */
	int			depth;			/* arrays that are open */
	int			missing[REDIS_REPLY_DEPTH]; /* elements that each of them lacks yet */
	char		type;			/* first byte of the line that is being read, or 0 */
	bool		carriage_return;	/* was the last byte of the line */
	bool		negative;		/* the number in it has a sign */
	int			digits;			/* digits of the number so far */
	int64		number;
	int64		payload;		/* bytes of a string that are still to be skipped */
} RedisReplyScan;

extern RedisReplyScan redis_reply_scan_begin(int replies);
extern const char *redis_reply_scan(RedisReplyScan *scan, const char *bytes, size_t count);

#endif							/* PG_CHAT_REDIS_REPLY_SCAN_H */
