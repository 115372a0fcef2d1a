/*
 * fuzz_redis_reply.c
 *	  The scan of what a Redis server sends, beside hiredis' parser.
 *
 * Input: a byte for how many replies are awaited, one for where the rest is cut
 * in two, then what the server sends.
 *
 * The parser may still refuse replies that passed the scan, such as a number
 * with leading zeros. But it finds no more replies than were awaited, and allocates no
 * more than the scan's bounds: libFuzzer's malloc_limit_mb sees to that. And the
 * scan does not depend on the pieces in which bytes arrive.
 */
#include "redis/redis_reply_scan.c"

#include <hiredis/hiredis.h>

#include "backend.h"

static void
require(bool condition)
{
	if (!condition)
		abort();
}

/* How many replies the parser finds. */
static int
count_replies(const char *bytes, size_t count)
{
	redisReader *reader = redisReaderCreate();
	void	   *reply = NULL;
	int			replies = 0;

	require(reader != NULL);
	require(redisReaderFeed(reader, bytes, count) == REDIS_OK);
	while (redisReaderGetReply(reader, &reply) == REDIS_OK && reply != NULL)
	{
		freeReplyObject(reply);
		replies++;
	}
	redisReaderFree(reader);
	return replies;
}

extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *bytes = (const char *) data + 2;
	RedisReplyScan whole;
	RedisReplyScan pieces;
	const char *problem;
	const char *piece_problem;
	size_t		cut;
	int			awaited;

	if (size < 2)
		return 0;
	size -= 2;
	awaited = data[0] % 8;
	cut = size == 0 ? 0 : data[1] % size;

	whole = redis_reply_scan_begin(awaited);
	pieces = redis_reply_scan_begin(awaited);
	problem = redis_reply_scan(&whole, bytes, size);
	piece_problem = redis_reply_scan(&pieces, bytes, cut);
	if (piece_problem == NULL)
		piece_problem = redis_reply_scan(&pieces, bytes + cut, size - cut);
	require(problem == piece_problem);
	if (problem == NULL)
	{
		require(whole.awaited == pieces.awaited);
		require(count_replies(bytes, size) <= awaited);
	}
	return 0;
}
