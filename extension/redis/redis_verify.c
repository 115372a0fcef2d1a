/*
 * redis_verify.c
 *	  Keys in Redis, compared with the tables.
 *
 * All keys are compared, in slices: each pg_chat.reconcile_interval, after an
 * error, when Redis was replaced, and when shared memory lost changes. So a
 * Redis that was flushed, replaced or written to by others becomes right again.
 *
 * Numbers go on rising while a slice is compared. So a key that differs is a
 * suspect, which is compared once more, in the next run, after the changes until
 * then were pushed: it is wrong if it is lower than the table was at first, or
 * higher than the table is now. A wrong key is repaired and, if somebody else
 * must have written it, reported. These are repaired, but not reported one by
 * one:
 *
 * - a missing key of a chat without messages, or an application without chats;
 * - a missing key while those of retired tokens are deleted: after a TRUNCATE of
 *   chats, they are the tokens of all applications;
 * - keys that lag or are missing while a verification catches up: after an error,
 *   with another Redis, or when shared memory lost changes. The log has their
 *   number;
 * - keys after the first hundred: most likely, Redis was flushed;
 * - keys that lag or are missing without shared memory: nothing is pushed then,
 *   and lagging is no error.
 *
 * STATES
 *
 *	             it is time              end
 *	  IDLE ------------------> REPORTING ----> IDLE
 *
 *	             catch up                end
 *	  IDLE ------------------> CATCHING_UP --> IDLE
 *
 *	             catch up                      end
 *	  REPORTING -------------> CATCHING_UP_TWICE -> CATCHING_UP
 *	  CATCHING_UP ----------->
 *
 * If catching up begins while a verification is under way, keys that this has
 * compared already may lag, too: it continues from its position, and then
 * everything is verified once more.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "utils/timestamp.h"

#include "bgworker/repaired_counts.h"
#include "bgworker/worker_xact.h"
#include "changes/shmem.h"
#include "common/due_time.h"
#include "redis/redis_key_cleanup.h"
#include "redis/redis_verify.h"

/* The most wrong keys that a verification reports one by one, before it only counts them. */
#define REPORTED_MAX 100

static const ChatKey start = {0, 0};

static bool
is_catching_up(const RedisVerify *verify)
{
	return verify->state == VERIFY_CATCHING_UP || verify->state == VERIFY_CATCHING_UP_TWICE;
}

/* Begin a verification. */
static void
begin(RedisVerify *verify, RedisVerifyState state)
{
	verify->state = state;
	verify->position = start;
	verify->reported = 0;
	verify->begun = GetCurrentTimestamp();
}

/* Verify everything from now on, without reporting keys that lag. */
void
redis_verify_catch_up(RedisVerify *verify)
{
	if (verify->state == VERIFY_IDLE || chat_key_compare(verify->position, start) == 0)
		begin(verify, VERIFY_CATCHING_UP);
	else
		verify->state = VERIFY_CATCHING_UP_TWICE;
}

/*
 * The milliseconds until the next verification is to begin; 0 if that is now. A
 * reload may change the interval in between.
 */
long
redis_verify_wait_ms(const RedisVerify *verify)
{
	long		interval_ms = guc_reconcile_interval * 1000L;

	return due_time_left_ms(GetCurrentTimestamp(),
							TimestampTzPlusMilliseconds(verify->begun, interval_ms), interval_ms);
}

/* Begin a verification, if it is due. Returns whether one is under way. */
static bool
begin_in_time(RedisVerify *verify)
{
	if (verify->state == VERIFY_IDLE && redis_verify_wait_ms(verify) == 0)
		begin(verify, VERIFY_REPORTING);
	return verify->state != VERIFY_IDLE;
}

/* End a verification: all keys were compared. */
static void
end(RedisVerify *verify)
{
	if ((is_catching_up(verify) || verify->reported == REPORTED_MAX) && verify->written > 0)
		ereport(LOG,
				(errmsg("pg_chat wrote " UINT64_FORMAT " keys that Redis did not have, or not up to date",
						verify->written)));
	verify->written = 0;
	if (verify->state == VERIFY_CATCHING_UP_TWICE)
		begin(verify, VERIFY_CATCHING_UP);
	else
		verify->state = VERIFY_IDLE;
	redis_key_cleanup_forget_old();
}

static uint32
hash_key(const RedisCounter *counter)
{
	return hash_bytes((const unsigned char *) counter->key, strlen(counter->key));
}

/*
 * Compare a slice of the keys with the tables; those that differ become
 * suspects. Returns false if there is nothing to verify now.
 */
bool
redis_verify_slice(RedisVerify *verify, JobRun *run)
{
	RedisCounter *counters;
	int			count;

	if (!begin_in_time(verify))
		return false;
	count = redis_counters_after(verify->position, &counters);
	if (count == 0)
	{
		end(verify);
		return begin_in_time(verify);
	}
	redis_counters_ask(redis_counters_list(counters, count), count);
	for (int i = 0; i < count; i++)
		if (counters[i].answer != counters[i].value)
			verify->suspects[verify->suspect_count++] = (RedisSuspect) {
				counters[i].parent, counters[i].value, hash_key(&counters[i])
			};
	verify->position = counters[count - 1].parent;
	run->done += count;
	return true;
}

/*
 * Whether a key that was wrong is to be reported. Only somebody else can have
 * made it not a number, or too high; a key that lags or is missing may be our
 * doing.
 */
static bool
is_reported(const RedisVerify *verify, const RedisCounter *counter)
{
	if (verify->reported == REPORTED_MAX)
		return false;
	if (counter->answer == ANSWER_WRONG || counter->answer > counter->value)
		return true;
	return !is_catching_up(verify) && shmem_available() &&
		!(counter->answer == ANSWER_MISSING && (counter->value == 0 || redis_key_cleanup_under_way()));
}

/* Report keys that were repaired, those of them that are to be reported. */
static void
report_wrong(RedisVerify *verify, RedisCounter **wrong, int count, JobRun *run)
{
	worker_xact_begin("recording what was repaired in Redis");
	for (int i = 0; i < count; i++)
	{
		const RedisCounter *counter = wrong[i];
		bool		was_number = counter->answer >= 0 && counter->answer <= PG_INT32_MAX;
		RepairedCount repaired = {
			.parent = counter->parent,
			.counter = REPAIRED_REDIS_KEY,
			.was_number = was_number,
			.old_value = was_number ? (int32) counter->answer : 0,
			.new_value = counter->value
		};

		if (!is_reported(verify, counter))
		{
			verify->written++;
			continue;
		}
		repaired_counts_add(&repaired);
		repaired_counts_log(&repaired, run);
		verify->reported++;
	}
	worker_xact_commit();
}

/*
 * Compare the suspects once more, and repair those that are wrong. Returns
 * false if there are none.
 */
bool
redis_verify_suspects(RedisVerify *verify, JobRun *run)
{
	const RedisSuspect *suspects = verify->suspects;
	ChatKey		parents[REDIS_COUNTERS_SLICE];
	RedisCounter *now;
	RedisCounter **wrong;
	int			found;
	int			wrong_count = 0;

	if (verify->suspect_count == 0)
		return false;
	for (int i = 0; i < verify->suspect_count; i++)
		parents[i] = suspects[i].parent;
	found = redis_counters_of(parents, verify->suspect_count, &now);
	redis_counters_ask(redis_counters_list(now, found), found);

	/* Counters are in the order of the parents; one that is gone may be missing. */
	wrong = palloc((found + 1) * sizeof(RedisCounter *));
	for (int i = 0, n = 0; i < verify->suspect_count && n < found; i++)
	{
		if (chat_key_compare(now[n].parent, suspects[i].parent) != 0)
			continue;
		if (!now[n].gone && hash_key(&now[n]) == suspects[i].key_hash &&
			(now[n].answer < suspects[i].value || now[n].answer > now[n].value))
			wrong[wrong_count++] = &now[n];
		n++;
	}
	redis_counters_write(wrong, wrong_count);
	report_wrong(verify, wrong, wrong_count, run);
	verify->suspect_count = 0;
	return true;
}

/*
 * Whether suspects have to wait for the next run, so that a transaction which
 * has just changed a number has announced it in shared memory by then.
 */
bool
redis_verify_suspects_wait(const RedisVerify *verify)
{
	return verify->suspect_count > 0 && !is_catching_up(verify);
}

/* Forget the suspects: after an error it is not known what was written. */
void
redis_verify_forget_suspects(RedisVerify *verify)
{
	verify->suspect_count = 0;
}

/* Stop a verification that is under way; the next one begins anew. */
void
redis_verify_stop(RedisVerify *verify)
{
	verify->state = VERIFY_IDLE;
	verify->suspect_count = 0;
}
