/*
 * redis_verify.h
 *	  Keys in Redis, compared with the tables: see redis_verify.c.
 */
#ifndef PG_CHAT_REDIS_VERIFY_H
#define PG_CHAT_REDIS_VERIFY_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "bgworker/job.h"
#include "redis/redis_keys.h"

/* The states of verification; drawn in redis_verify.c. */
typedef enum RedisVerifyState
{
	VERIFY_IDLE,				/* the next one begins when it is due */
	VERIFY_REPORTING,			/* under way: wrong keys are reported */
	VERIFY_CATCHING_UP,			/* under way: keys that lag are no error */
	VERIFY_CATCHING_UP_TWICE	/* the same, and again from the start */
} RedisVerifyState;

/* A counter whose key differed when it was compared. */
typedef struct RedisSuspect
{
	ChatKey		parent;
	int32		value;			/* as the table had it then */
	uint32		key_hash;		/* of the key's name, to notice that the token was rotated since */
} RedisSuspect;

/*
 * The state of verification. Its position outlives an error, so that an error
 * which recurs does not keep the rest from being verified.
 */
typedef struct RedisVerify
{
	RedisVerifyState state;
	ChatKey		position;
	TimestampTz begun;			/* start of the one under way, or of the last */
	int			reported;		/* keys that were reported */
	uint64		written;		/* keys that were repaired without a report */
	RedisSuspect suspects[REDIS_COUNTERS_SLICE];
	int			suspect_count;
} RedisVerify;

extern void redis_verify_catch_up(RedisVerify *verify);
extern bool redis_verify_slice(RedisVerify *verify, JobRun *run);
extern bool redis_verify_suspects(RedisVerify *verify, JobRun *run);
extern bool redis_verify_suspects_wait(const RedisVerify *verify);
extern void redis_verify_forget_suspects(RedisVerify *verify);
extern void redis_verify_stop(RedisVerify *verify);
extern long redis_verify_wait_ms(const RedisVerify *verify);

#endif							/* PG_CHAT_REDIS_VERIFY_H */
