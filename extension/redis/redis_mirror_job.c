/*
 * redis_mirror_job.c
 *	  The worker's job of mirroring counters to Redis.
 *
 * For other programs that read them, the highest numbers stand in Redis under
 * the keys
 *
 *	application:<token>:number					of the application's chats
 *	application:<token>:chat:<number>:number	of the chat's messages
 *
 * They are copies: nothing is ever read from Redis but to find out whether it
 * is right. To push is to write what changed, as shared memory tells it, within
 * a second. To verify is to compare all keys with the tables each
 * pg_chat.reconcile_interval, after an error, and where Redis is another one; so
 * one that was flushed, replaced or written to by others is right again. One that
 * only closed the connection, having been asked nothing for a while, is the same.
 * To fill is to write all keys of an application: one that has just got a token.
 * All of it is done in slices, and a run ends after a short time, wherever it
 * stands, so that neither a large mirror nor a slow Redis keeps the worker from
 * its other jobs.
 *
 * While a slice is compared, numbers go on rising. So a key that differs is a
 * suspect, which is looked at once more, in the next run, after what changed
 * meanwhile was pushed: it is wrong if it is lower than what the table said
 * first, or higher than what the table says now. What is wrong is repaired and,
 * if somebody else must have done it, reported. So this is written, but not
 * reported one by one:
 *
 * - a missing key of a chat without messages, or an application without chats;
 * - a missing key while those of retired tokens are deleted: after a TRUNCATE of
 *   chats, they are the tokens of all applications;
 * - what lags or is missing when a verification catches up: one that follows an
 *   error, another Redis, or changes that shared memory lost. The log has their
 *   number;
 * - what is found after a hundred keys: Redis was flushed, most likely;
 * - what lags or is missing where there is no shared memory: there, nothing is
 *   pushed, and lagging is no error.
 *
 * What is deleted: see redis_key_cleanup.c.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "bgworker/worker.h"
#include "changes/change_subscribers.h"
#include "changes/redis_key_queue.h"
#include "changes/shmem.h"
#include "common/database_identity.h"
#include "common/spi_plan.h"
#include "redis/redis_connection.h"
#include "redis/redis_key_cleanup.h"
#include "redis/redis_keys.h"
#include "redis/redis_mirror_job.h"

/* When a run ends if there is more to do, and the pause before the next. */
#define PASS_BUDGET_MS 200
#define PASS_PAUSE_MS 50

/* Wrong keys that a verification reports, before it only counts them. */
#define REPORTED_MAX 100

/* A counter whose key differed when it was verified. */
typedef struct Suspect
{
	ChatKey parent;
	int32		value;			/* as the table had it then */
	uint32		key_hash;		/* another one: the token was rotated since */
} Suspect;

/* The settings that the last connection was made with; NULL before the first. */
static char *connected_with = NULL;

/* The history of what is mirrored to, as redis_server_identity tells it; NULL: none yet. */
static char *mirrored_history = NULL;

/*
 * What is under way. It spans passes, and ends with an error, all but where
 * verification stands: so what fails again and again does not keep the rest
 * from being verified.
 */
static bool unbroken = false;	/* no error since the last connection */

/* Changes that were taken from shared memory; NULL if all of them are pushed. */
static ChatKey *pending = NULL;
static int	pending_count;
static int	pending_pushed;

/* Applications to fill, and how far the first of them is. */
static List *fills = NIL;
static ChatKey fill_position = {0, 0};

/* Verification: where it stands, and when it began; 0: it is to begin now. */
static bool verifying = false;
static ChatKey verify_position;
static TimestampTz last_verification = 0;
static Suspect suspects[REDIS_COUNTERS_SLICE];
static int	suspect_count = 0;
static int	reported;

/* Whether the last attempt to delete keys of retired tokens ended in an error. */
static bool retiring_failed = false;

/* Verifications that catch up, this one included, and what they wrote. */
static int	catching_up = 0;
static uint64 caught_up = 0;

/* Have an application filled. */
static void
add_fill(int32 application)
{
	MemoryContext caller = MemoryContextSwitchTo(TopMemoryContext);

	fills = lappend_int(fills, application);
	MemoryContextSwitchTo(caller);
}

/* Have everything verified, without a report. */
static void
catch_up(void)
{
	catching_up = verifying ? 2 : 1;
	last_verification = 0;
}

static int
compare_parents(const void *a, const void *b)
{
	const ChatKey *x = a;
	const ChatKey *y = b;

	if (x->application != y->application)
		return x->application < y->application ? -1 : 1;
	return x->chat < y->chat ? -1 : x->chat > y->chat;
}

/*
 * Take from shared memory what changed, unless there is some yet to be pushed.
 * If that is not known in full, catch up.
 */
static void
take_changes(void)
{
	MemoryContext caller;
	bool		all;

	if (pending != NULL || !shmem_available())
		return;
	caller = MemoryContextSwitchTo(TopMemoryContext);
	pending_count = change_subscriber_take(SUBSCRIBER_REDIS, &pending, &all);
	MemoryContextSwitchTo(caller);
	qsort(pending, pending_count, sizeof(ChatKey), compare_parents);
	pending_pushed = 0;
	if (all)
		catch_up();
}

/* Have those applications filled that have chats, and no key of their own yet. */
static void
fill_new_applications(RedisCounter *counters, int count)
{
	RedisCounter **applications = palloc((count + 1) * sizeof(RedisCounter *));
	int			found = 0;

	for (int i = 0; i < count; i++)
		if (counters[i].parent.chat == 0 && counters[i].value > 0)
			applications[found++] = &counters[i];
	redis_counters_ask(applications, found);
	for (int i = 0; i < found; i++)
		if (applications[i]->answer == ANSWER_MISSING)
			add_fill(applications[i]->parent.application);
}

/* Push a slice of what changed. */
static void
push_slice(JobRun *run)
{
	RedisCounter *counters;
	int			count = Min(REDIS_COUNTERS_SLICE, pending_count - pending_pushed);
	int			found;

	if (count > 0)
	{
		found = redis_counters_of(pending + pending_pushed, count, &counters);
		fill_new_applications(counters, found);
		redis_counters_write(redis_counters_list(counters, found), found);
		pending_pushed += count;
		run->done += found;
	}
	if (pending_pushed == pending_count)
	{
		pfree(pending);
		pending = NULL;
	}
}

/* Fill a slice of the first application that is to be. Returns false if there is none. */
static bool
fill_slice(JobRun *run)
{
	RedisCounter *counters;
	int32		application;
	int			count;
	int			own = 0;

	if (fills == NIL)
		return false;
	application = linitial_int(fills);
	if (fill_position.application != application)
		fill_position = (ChatKey) {application - 1, PG_INT32_MAX};
	count = redis_counters_after(fill_position, &counters);
	while (own < count && counters[own].parent.application == application)
		own++;
	redis_counters_write(redis_counters_list(counters, own), own);
	run->done += own;
	if (own == REDIS_COUNTERS_SLICE)
		fill_position = counters[own - 1].parent;
	else
	{
		fills = list_delete_first(fills);
		fill_position = (ChatKey) {0, 0};
	}
	return true;
}

static void
record_repaired(const RedisCounter *counter, int64 was)
{
	static SavedPlan plan = SAVED_PLAN(
		"INSERT INTO chat.repaired_counts (application_id, chat_number, counter, old_value, new_value)"
		" VALUES ($1, NULLIF($2, 0), 'redis', NULLIF($3, -1), $4)",
		INT4OID, INT4OID, INT4OID, INT4OID);
	Datum		values[4] = {
		Int32GetDatum(counter->parent.application), Int32GetDatum(counter->parent.chat),
		Int32GetDatum(was < 0 || was > PG_INT32_MAX ? -1 : (int32) was),
		Int32GetDatum(counter->value)
	};

	spi_plan_write(&plan, values, NULL);
}

static uint32
hash_key(const RedisCounter *counter)
{
	return hash_bytes((const unsigned char *) counter->key, strlen(counter->key));
}

/*
 * Whether a key that was wrong is to be reported. Only somebody else can have
 * made it no number, or too high; that it lags or lacks may be our doing.
 */
static bool
is_reported(const RedisCounter *counter)
{
	if (reported == REPORTED_MAX)
		return false;
	if (counter->answer == ANSWER_WRONG || counter->answer > counter->value)
		return true;
	return catching_up == 0 && shmem_available() &&
		!(counter->answer == ANSWER_MISSING && (counter->value == 0 || redis_key_cleanup_under_way()));
}

/* Report keys that were wrong and are repaired, those that are to be. */
static void
report_wrong(RedisCounter **wrong, int count, JobRun *run)
{
	worker_xact_begin("recording what was repaired in Redis");
	for (int i = 0; i < count; i++)
	{
		const RedisCounter *counter = wrong[i];

		if (!is_reported(counter))
		{
			caught_up++;
			continue;
		}
		record_repaired(counter, counter->answer);
		job_report_repaired(counter->parent.application, counter->parent.chat, "the Redis key",
						   counter->answer < 0 || counter->answer > PG_INT32_MAX ? NULL : &(int32) {counter->answer},
						   counter->value, run);
		reported++;
	}
	worker_xact_commit();
}

/*
 * Look once more at the suspects, and repair those that are wrong. Returns false
 * if there are none.
 */
static bool
mend_suspects(JobRun *run)
{
	ChatKey parents[REDIS_COUNTERS_SLICE];
	RedisCounter *now;
	RedisCounter **wrong;
	int			found;
	int			wrong_count = 0;

	if (suspect_count == 0)
		return false;
	for (int i = 0; i < suspect_count; i++)
		parents[i] = suspects[i].parent;
	found = redis_counters_of(parents, suspect_count, &now);
	redis_counters_ask(redis_counters_list(now, found), found);

	/* Rows come in the order of the parents; one that is gone may be missing. */
	wrong = palloc((found + 1) * sizeof(RedisCounter *));
	for (int i = 0, n = 0; i < suspect_count && n < found; i++)
	{
		if (now[n].parent.application != suspects[i].parent.application ||
			now[n].parent.chat != suspects[i].parent.chat)
			continue;
		if (!now[n].gone && hash_key(&now[n]) == suspects[i].key_hash &&
			(now[n].answer < suspects[i].value || now[n].answer > now[n].value))
			wrong[wrong_count++] = &now[n];
		n++;
	}
	redis_counters_write(wrong, wrong_count);
	report_wrong(wrong, wrong_count, run);
	suspect_count = 0;
	return true;
}

/* The interval may change while it is waited for. */
static TimestampTz
next_verification(void)
{
	return TimestampTzPlusMilliseconds(last_verification, guc_reconcile_interval * 1000L);
}

/* Begin verification, if it is time. Returns whether it is under way. */
static bool
begin_verification(void)
{
	if (!verifying && next_verification() <= GetCurrentTimestamp())
	{
		verifying = true;
		verify_position = (ChatKey) {0, 0};
		reported = 0;
		last_verification = GetCurrentTimestamp();
	}
	return verifying;
}

static void
end_verification(void)
{
	verifying = false;
	redis_key_cleanup_forget_old();
	if ((catching_up > 0 || reported == REPORTED_MAX) && caught_up > 0)
		ereport(LOG,
				(errmsg("pg_chat wrote " UINT64_FORMAT " keys that Redis did not have, or not up to date",
						caught_up)));
	caught_up = 0;
	if (catching_up > 0 && --catching_up > 0)
		last_verification = 0;
}

/*
 * Compare a slice of the keys with the tables; those that differ are the
 * suspects. Returns false if there is nothing to verify now.
 */
static bool
verify_slice(JobRun *run)
{
	RedisCounter *counters;
	int			count;

	if (!begin_verification())
		return false;
	count = redis_counters_after(verify_position, &counters);
	if (count == 0)
	{
		end_verification();
		return begin_verification();
	}
	redis_counters_ask(redis_counters_list(counters, count), count);
	for (int i = 0; i < count; i++)
		if (counters[i].answer != counters[i].value)
			suspects[suspect_count++] = (Suspect) {
				counters[i].parent, counters[i].value, hash_key(&counters[i])
			};
	verify_position = counters[count - 1].parent;
	run->done += count;
	return true;
}

/* Delete keys of retired tokens. Returns false if there are none. */
static bool
delete_retired_tokens(void)
{
	List	   *living = NIL;
	ListCell   *cell;
	bool		more;

	retiring_failed = true;
	more = redis_key_cleanup_delete_tokens(&living);
	retiring_failed = false;
	foreach(cell, living)
		add_fill(lfirst_int(cell));
	return more;
}

/*
 * Have the keys in Redis be this database's. Raises 55000 if they are another's,
 * which this one is a copy of: with the same tokens the two would write the same
 * keys, each its own numbers. Where nobody had them before, as when a copy was
 * given tokens of its own, those that it lost are not its own to delete.
 */
static void
claim_keys(void)
{
	static SavedPlan find = SAVED_PLAN(
		"SELECT owner_database FROM chat_internal.worker_jobs WHERE job OPERATOR(pg_catalog.=) $1", TEXTOID);
	static SavedPlan claim = SAVED_PLAN(
		"UPDATE chat_internal.worker_jobs SET owner_database = $2 WHERE job OPERATOR(pg_catalog.=) $1", TEXTOID, TEXTOID);
	Datum		values[2] = {CStringGetTextDatum("redis"), CStringGetTextDatum(database_identity_current())};
	char	   *original;
	char	   *home = NULL;
	bool		is_null = true;

	worker_xact_begin("looking whose the keys in Redis are");
	if (spi_plan_write(&find, values, NULL) > 0)
		home = spi_result_string(0, 1, &is_null);
	original = is_null ? NULL : database_identity_of_original(home);
	if (original != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("this database is a copy of \"%s\", and the keys in Redis are that one's", original),
				 errhint("Do, in this order: SELECT chat.rotate_token(id) FROM chat.applications; UPDATE chat_internal.worker_jobs SET owner_database = NULL WHERE job = 'redis'")));
	if (is_null)
		redis_key_cleanup_forget_all();
	if (is_null || strcmp(home, database_identity_current()) != 0)
		spi_plan_write(&claim, values, NULL);
	worker_xact_commit();
}

/* Keep a copy of a text, in place of another one or of NULL. */
static void
keep(char **kept, const char *text)
{
	char	   *copy = MemoryContextStrdup(TopMemoryContext, text);

	if (*kept != NULL)
		pfree(*kept);
	*kept = copy;
}

/*
 * Be connected. Where that is not to what we were connected to before, what is
 * gone must be deleted again, and all must be verified.
 */
static void
connect_redis(void)
{
	char	   *settings = psprintf("%s\n%s", guc_redis_url, guc_redis_password_file);

	if (connected_with != NULL && strcmp(connected_with, settings) != 0)
	{
		redis_mirror_job_disconnect();
		verifying = false;
	}
	if (!unbroken)
		claim_keys();
	if (!redis_connect(guc_redis_url, guc_redis_password_file))
		return;
	keep(&connected_with, settings);
	if (mirrored_history == NULL || *redis_server_identity() == '\0' ||
		strcmp(mirrored_history, redis_server_identity()) != 0)
	{
		unbroken = false;
		redis_key_cleanup_do_again();
		keep(&mirrored_history, redis_server_identity());
	}
	if (!unbroken)
		catch_up();
	unbroken = true;
}

/*
 * Do a slice of what there is to do: what changed first, since nothing may be
 * repaired before it is pushed. Neither of the two that take long waits for the
 * other, unless it fails. Returns false if there is nothing left.
 */
static bool
do_slice(JobRun *run)
{
	static bool retire_first = false;

	take_changes();
	if (pending != NULL)
		push_slice(run);
	if (pending != NULL || fill_slice(run) || mend_suspects(run) || redis_key_cleanup_delete_chats())
		return true;
	if (retiring_failed && verify_slice(run))
		return true;
	retire_first = !retire_first;
	return retire_first ? delete_retired_tokens() || verify_slice(run) :
		verify_slice(run) || delete_retired_tokens();
}

/*
 * Whether suspects are to wait for the next run: so that who has just changed
 * a number is not overtaken on the way to shared memory.
 */
static bool
suspects_wait(void)
{
	return suspect_count > 0 && catching_up == 0;
}

/*
 * Job: push what changed and, when it is time, verify everything.
 */
long
redis_mirror_job_run(JobRun *run)
{
	MemoryContext outer = CurrentMemoryContext;
	MemoryContext slice;
	TimestampTz end = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), PASS_BUDGET_MS);
	bool		more;

	change_subscriber_listen(SUBSCRIBER_REDIS, *guc_redis_url != '\0');
	if (*guc_redis_url == '\0')
	{
		redis_mirror_job_disconnect();
		run->off = true;
		return guc_reconcile_interval * 1000L;
	}

	connect_redis();
	slice = AllocSetContextCreate(outer, "pg_chat slice", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(slice);
	do
	{
		CHECK_FOR_INTERRUPTS();
		MemoryContextReset(slice);
		more = do_slice(run);
	} while (more && !suspects_wait() && GetCurrentTimestamp() < end);
	MemoryContextSwitchTo(outer);
	if (more)
		return PASS_PAUSE_MS;
	return Max(1, TimestampDifferenceMilliseconds(GetCurrentTimestamp(), next_verification()));
}

/*
 * Drop the connection, and what was under way. What was not pushed is found by
 * the verification that follows the next connection.
 */
void
redis_mirror_job_disconnect(void)
{
	redis_disconnect();
	unbroken = false;
	if (pending != NULL)
		pfree(pending);
	pending = NULL;
	list_free(fills);
	fills = NIL;
	fill_position = (ChatKey) {0, 0};
	suspect_count = 0;
	redis_key_cleanup_stop();
}

/* Whether there is something to push before it is time. */
bool
redis_mirror_job_wanted(void)
{
	return change_subscriber_has_changes(SUBSCRIBER_REDIS);
}
