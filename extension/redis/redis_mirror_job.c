/*
 * redis_mirror_job.c
 *	  The worker's job of mirroring counters to Redis.
 *
 * The highest numbers are mirrored to Redis, for other programs to read, under
 * the keys
 *
 *	application:<token>:number					of the application's chats
 *	application:<token>:chat:<number>:number	of the chat's messages
 *
 * They are copies: they are read from Redis only to verify them. Changes are
 * pushed within a second (redis_push.c), everything is verified from time to
 * time (redis_verify.c), and keys of deleted chats and retired tokens are
 * deleted (redis_key_cleanup.c). All of it is done in slices, and a run ends
 * after a short time, even if there is more to do, so that neither a large
 * mirror nor a slow Redis keeps the worker from its other jobs.
 *
 * STATES
 *
 *	              connected to the same Redis as before, without an error since
 *	            +--------------------------------------------------------------+
 *	            |                                                              v
 *	  +--------------+  connected to any other, or after an error: catch up  +------+
 *	  | DISCONNECTED |------------------------------------------------------>| OPEN |
 *	  +--------------+                                                       +------+
 *	     ^      ^         an error: what is under way is forgotten               |
 *	     |      +----------------------------------------------------------------+
 *	     |                                                                       |
 *	     +---------------- other settings, or none -----------------------------+
 *
 * If the server closes an idle connection, the state stays OPEN: the run that
 * finds it closed connects again. The history tells whether it is the same
 * Redis, see redis_server_identity().
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "changes/change_subscribers.h"
#include "changes/redis_key_queue.h"
#include "redis/redis_claim.h"
#include "redis/redis_connection.h"
#include "redis/redis_key_cleanup.h"
#include "redis/redis_mirror_job.h"
#include "redis/redis_push.h"
#include "redis/redis_verify.h"

/* The time after which a run ends if there is more to do, and the pause before the next one. */
#define RUN_BUDGET_MS 200
#define RUN_PAUSE_MS 50

/*
 * The pause before a run that changes ask for: most of the second within which
 * they are pushed, so that a busy chat is written once in that time.
 */
#define PUSH_PAUSE_MS 750

typedef enum MirrorState
{
	MIRROR_DISCONNECTED,		/* by an error, or not connected yet */
	MIRROR_OPEN					/* no error since the last connection */
} MirrorState;

/* The state of the job, from one run to the next. */
typedef struct Mirror
{
	MirrorState state;

	/* The settings of the last connection; NULL before the first. */
	char	   *settings;

	/* The history of the Redis that is mirrored to, see redis_server_identity(); NULL: none yet. */
	char	   *history;

	RedisPush	push;
	RedisVerify verify;

	/* Whether the last attempt to delete keys of retired tokens ended in an error. */
	bool		cleanup_failed;

	/* Whether deleting keys comes before verification in the next slice: they take turns. */
	bool		cleanup_first;
} Mirror;

static Mirror mirror = {0};

/* Replace *kept, which may be NULL, by a copy of a text. */
static void
keep(char **kept, const char *text)
{
	char	   *copy = MemoryContextStrdup(TopMemoryContext, text);

	if (*kept != NULL)
		pfree(*kept);
	*kept = copy;
}

/*
 * Close the connection, and forget what is under way. The verification after
 * the next connection finds the changes that were not pushed.
 */
static void
disconnect(void)
{
	redis_disconnect();
	mirror.state = MIRROR_DISCONNECTED;
	redis_push_reset(&mirror.push);
	redis_verify_forget_suspects(&mirror.verify);
	redis_key_cleanup_stop();
}

/*
 * Be connected. Where that is not to what we were connected to before, what is
 * gone must be deleted again, and all must be verified before what has changed is
 * pushed; after an error, what was deleted shortly before it must be. Returns
 * whether time was spent on a new connection.
 */
static bool
connect_to_redis(void)
{
	char	   *settings = psprintf("%s\n%s", guc_redis_url, guc_redis_password_file);
	const char *history;

	if (mirror.settings != NULL && strcmp(mirror.settings, settings) != 0)
	{
		disconnect();
		redis_verify_stop(&mirror.verify);
	}
	if (mirror.state == MIRROR_DISCONNECTED)
		redis_claim_keys(redis_mirror_job.name);
	if (!redis_connect(guc_redis_url, guc_redis_password_file))
		return false;
	keep(&mirror.settings, settings);
	history = redis_server_identity();
	if (mirror.history == NULL || *history == '\0' || strcmp(mirror.history, history) != 0)
	{
		mirror.state = MIRROR_DISCONNECTED;
		redis_key_cleanup_do_again(true);
		redis_push_skip_changes(&mirror.push);
		keep(&mirror.history, history);
	}
	else if (mirror.state == MIRROR_DISCONNECTED)
		redis_key_cleanup_do_again(false);
	if (mirror.state == MIRROR_DISCONNECTED)
		redis_verify_catch_up(&mirror.verify);
	mirror.state = MIRROR_OPEN;
	return true;
}

/* Delete keys of retired tokens. Returns false if there are none. */
static bool
delete_retired_tokens(void)
{
	List	   *living = NIL;
	ListCell   *cell;
	bool		more;

	mirror.cleanup_failed = true;
	more = redis_key_cleanup_delete_tokens(&living);
	mirror.cleanup_failed = false;
	foreach(cell, living)
		redis_push_add_fill(&mirror.push, lfirst_int(cell));
	return more;
}

/*
 * Process a slice: changes first, since nothing may be repaired before they are
 * pushed. The two tasks that take long do not wait for each other, unless one
 * fails. Returns false if there is nothing left.
 */
static bool
do_slice(JobRun *run)
{
	if (!redis_push_take_changes(&mirror.push))
		redis_verify_catch_up(&mirror.verify);
	if (redis_push_changes(&mirror.push, run) || redis_push_fill(&mirror.push, run) ||
		redis_verify_suspects(&mirror.verify, run) || redis_key_cleanup_delete_chats())
		return true;
	if (mirror.cleanup_failed && redis_verify_slice(&mirror.verify, run))
		return true;
	mirror.cleanup_first = !mirror.cleanup_first;
	return mirror.cleanup_first ?
		delete_retired_tokens() || redis_verify_slice(&mirror.verify, run) :
		redis_verify_slice(&mirror.verify, run) || delete_retired_tokens();
}

/*
 * Process slices until there is nothing left, or the time is over. Returns
 * whether there is more.
 */
static bool
do_slices(JobRun *run)
{
	MemoryContext outer = CurrentMemoryContext;
	MemoryContext slice = AllocSetContextCreate(outer, "pg_chat slice", ALLOCSET_DEFAULT_SIZES);
	TimestampTz end = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), RUN_BUDGET_MS);
	bool		more;

	MemoryContextSwitchTo(slice);
	do
	{
		CHECK_FOR_INTERRUPTS();
		MemoryContextReset(slice);
		more = do_slice(run);
	} while (more && !redis_verify_suspects_wait(&mirror.verify) && GetCurrentTimestamp() < end);
	MemoryContextSwitchTo(outer);
	return more;
}

/*
 * Job: push changes and, when it is due, verify everything. Without a
 * connection, a run makes one, and the next run continues.
 */
static long
run_mirror(JobRun *run)
{
	bool		wanted = *guc_redis_url != '\0';

	change_subscriber_listen(SUBSCRIBER_REDIS, wanted);
	if (!wanted)
	{
		disconnect();
		run->off = true;
		return guc_reconcile_interval * 1000L;
	}

	redis_begin_run();
	if (connect_to_redis())
	{
		run->off = true;
		run->waits = true;
		return 0;
	}
	if (do_slices(run))
		return RUN_PAUSE_MS;
	return Max(1, redis_verify_wait_ms(&mirror.verify));
}

/* Whether changes ask for a run before the next one is due. */
static bool
has_changes(void)
{
	return change_subscriber_has_changes(SUBSCRIBER_REDIS);
}

Job			redis_mirror_job = {
	.name = "redis",
	.run = run_mirror,
	.recover = disconnect,
	.wanted = has_changes,
	.pause_ms = PUSH_PAUSE_MS,
	.uses_network = true
};
