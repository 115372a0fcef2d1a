/*
 * redis_key_cleanup.c
 *	  Keys in Redis of what is gone.
 *
 * Deleted are the keys of what chat_internal.redis_key_queue names: what was deleted or
 * got another token since there has been a pg_chat.redis_url. No others are:
 * keys that look like ours may be another database's, or another program's.
 *
 * The keys of a token are found by searching all of Redis, in slices, for many
 * tokens at a time.
 *
 * A row that was done is not due any more. It is kept for a day: a Redis that
 * restarts from what it saved, or a replica that takes its place, may have the
 * keys of before, and then all rows are due again.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "bgworker/worker.h"
#include "common/spi_plan.h"
#include "redis/redis_connection.h"
#include "redis/redis_key_cleanup.h"
#include "redis/redis_keys.h"

/* Tokens whose keys are looked for at a time. */
#define RETIRING_MAX 100

/* The longest cursor of a SCAN: a 64-bit number. */
#define CURSOR_SIZE 21

/*
 * Tokens whose keys are looked for, when each was retired, and the cursor of the
 * SCAN. One that is retired again meanwhile is looked for again.
 */
static MemoryContext retiring_context = NULL;
static char *retiring[RETIRING_MAX];
static TimestampTz retired_at[RETIRING_MAX];
static int	retiring_count = 0;
static char retiring_cursor[CURSOR_SIZE];

/*
 * Take tokens from the queue, to delete their keys. Returns false if there are
 * none.
 */
static bool
begin_retiring(void)
{
	static SavedPlan plan = SAVED_PLAN(
		"SELECT token, retired_at FROM chat_internal.redis_key_queue"
		" WHERE due AND chat_number OPERATOR(pg_catalog.=) 0 LIMIT $1",
		INT8OID);
	Datum		limit = Int64GetDatum(RETIRING_MAX);
	MemoryContext inner;
	uint64		count;

	if (retiring_context == NULL)
		retiring_context = AllocSetContextCreate(TopMemoryContext, "pg_chat retired tokens",
												 ALLOCSET_SMALL_SIZES);
	MemoryContextReset(retiring_context);
	strcpy(retiring_cursor, "0");
	worker_xact_begin("looking for tokens that were rotated");
	count = spi_plan_write(&plan, &limit, NULL);
	inner = MemoryContextSwitchTo(retiring_context);
	for (uint64 row = 0; row < count; row++)
	{
		retiring[row] = spi_result_string(row, 1, NULL);
		retired_at[row] = DatumGetTimestampTz(spi_result(row, 2, TIMESTAMPTZOID, NULL));
	}
	MemoryContextSwitchTo(inner);
	worker_xact_commit();
	retiring_count = count;
	return count > 0;
}

/* A row is done, and no other of the same token or chat. In a transaction. */
static void
mark_done(const char *token, int32 chat, TimestampTz at)
{
	static SavedPlan plan = SAVED_PLAN(
		"UPDATE chat_internal.redis_key_queue SET due = false,"
		" done_at = COALESCE(done_at, pg_catalog.clock_timestamp())"
		" WHERE due AND token OPERATOR(pg_catalog.=) $1"
		" AND chat_number OPERATOR(pg_catalog.=) $2 AND retired_at OPERATOR(pg_catalog.=) $3",
		TEXTOID, INT4OID, TIMESTAMPTZOID);
	Datum		values[3] = {CStringGetTextDatum(token), Int32GetDatum(chat), TimestampTzGetDatum(at)};

	spi_plan_write(&plan, values, NULL);
}

/*
 * End it when all of Redis was searched: the tokens are done. Those that are
 * still an application's, as after a TRUNCATE of chats, lack all keys now.
 */
static void
end_retiring(List **living)
{
	static SavedPlan find_living = SAVED_PLAN(
		"SELECT id FROM chat.applications WHERE token OPERATOR(pg_catalog.=) ANY ($1)", TEXTARRAYOID);
	Datum		tokens[RETIRING_MAX];
	Datum		value;
	MemoryContext outer = CurrentMemoryContext;
	MemoryContext inner;
	uint64		count;

	for (int i = 0; i < retiring_count; i++)
		tokens[i] = CStringGetTextDatum(retiring[i]);
	value = PointerGetDatum(construct_array(tokens, retiring_count, TEXTOID, -1, false, TYPALIGN_INT));
	worker_xact_begin("noting that keys of rotated tokens are deleted");
	for (int i = 0; i < retiring_count; i++)
		mark_done(retiring[i], 0, retired_at[i]);
	count = spi_plan_write(&find_living, &value, NULL);
	inner = MemoryContextSwitchTo(outer);
	for (uint64 row = 0; row < count; row++)
		*living = lappend_int(*living, spi_result_int32(row, 1));
	MemoryContextSwitchTo(inner);
	worker_xact_commit();
	retiring_count = 0;
}

/* Whether a key is one of ours, of a token that is retired. */
static bool
is_retired(const char *key)
{
	static const char prefix[] = "application:";

	if (strncmp(key, prefix, strlen(prefix)) != 0)
		return false;
	key += strlen(prefix);
	for (int i = 0; i < retiring_count; i++)
	{
		size_t		length = strlen(retiring[i]);
		const char *rest = key + length;

		if (strncmp(key, retiring[i], length) != 0)
			continue;
		if (strncmp(rest, ":chat:", 6) == 0 && isdigit((unsigned char) rest[6]))
			rest += 6 + strspn(rest + 6, "0123456789");
		if (strcmp(rest, ":number") == 0)
			return true;
	}
	return false;
}

/* Take the next cursor, and the keys that are to be deleted. */
static void
take_scanned(int i, const redisReply *reply, void *context)
{
	List	  **keys = context;
	const redisReply *cursor;
	const redisReply *found;

	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2)
		redis_raise_answer("could not list the keys of", reply);
	cursor = reply->element[0];
	found = reply->element[1];
	if (!redis_is_text(cursor) || cursor->len == 0 || cursor->len >= CURSOR_SIZE ||
		strspn(cursor->str, "0123456789") != cursor->len || found->type != REDIS_REPLY_ARRAY)
		redis_raise_answer("could not list the keys of", reply);
	strcpy(retiring_cursor, cursor->str);
	for (size_t n = 0; n < found->elements; n++)
	{
		const redisReply *key = found->element[n];

		if (key->type != REDIS_REPLY_STRING)
			redis_raise_answer("could not list the keys of", reply);
		if (redis_is_text(key) && is_retired(key->str))
			*keys = lappend(*keys, pstrdup(key->str));
	}
}

/*
 * Delete the keys of tokens that are nobody's any more, of the next slice of
 * Redis's. Returns false if there are no such tokens. Too much may be deleted:
 * living gets the applications that lack their keys now.
 */
bool
redis_key_cleanup_delete_tokens(List **living)
{
	List	   *keys = NIL;
	ListCell   *cell;

	if (retiring_count == 0 && !begin_retiring())
		return false;
	redis_command(6, (const char *[]) {"SCAN", retiring_cursor, "MATCH", "application:*", "COUNT", "1000"});
	redis_exchange(take_scanned, &keys);
	foreach(cell, keys)
		redis_command(2, (const char *[]) {"DEL", lfirst(cell)});
	redis_exchange(redis_require_written, NULL);
	if (strcmp(retiring_cursor, "0") == 0)
		end_retiring(living);
	return true;
}

/*
 * Delete the keys of a slice of the chats that were deleted, unless they are
 * there again. Returns false if there are none.
 */
bool
redis_key_cleanup_delete_chats(void)
{
	static SavedPlan next = SAVED_PLAN(
		"SELECT COALESCE(a.id, 0), r.chat_number, r.token, c.last_message_number, r.retired_at"
		" FROM (SELECT token, chat_number, retired_at FROM chat_internal.redis_key_queue"
		" WHERE due AND chat_number OPERATOR(pg_catalog.>) 0 ORDER BY token, chat_number LIMIT $1) AS r"
		" LEFT JOIN chat.applications AS a ON a.token OPERATOR(pg_catalog.=) r.token"
		" LEFT JOIN chat.chats AS c ON c.application_id OPERATOR(pg_catalog.=) a.id"
		" AND c.number OPERATOR(pg_catalog.=) r.chat_number",
		INT8OID);
	Datum		limit = Int64GetDatum(REDIS_COUNTERS_SLICE);
	RedisCounter *counters;
	int			count;

	count = redis_counters_read(&next, &limit, &counters);
	if (count == 0)
		return false;
	redis_counters_write(redis_counters_list(counters, count), count);
	worker_xact_begin("noting that keys of chats are deleted");
	for (int i = 0; i < count; i++)
		mark_done(counters[i].token, counters[i].parent.chat, counters[i].retired_at);
	worker_xact_commit();
	return true;
}

/* Whether keys of some tokens are deleted, and others of them not yet. */
bool
redis_key_cleanup_under_way(void)
{
	return retiring_count > 0;
}

/* Stop the search that is under way, to begin anew. */
void
redis_key_cleanup_stop(void)
{
	retiring_count = 0;
}

/* Have all keys deleted again that were, and may be back. */
void
redis_key_cleanup_do_again(void)
{
	static SavedPlan plan = SAVED_PLAN("UPDATE chat_internal.redis_key_queue SET due = true WHERE NOT due");

	redis_key_cleanup_stop();
	worker_xact_begin("having keys deleted again");
	spi_plan_write(&plan, NULL, NULL);
	worker_xact_commit();
}

/* Forget what was deleted more than a day ago. */
void
redis_key_cleanup_forget_old(void)
{
	static SavedPlan plan = SAVED_PLAN(
		"DELETE FROM chat_internal.redis_key_queue WHERE NOT due AND done_at OPERATOR(pg_catalog.<)"
		" (pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) '1 day'::pg_catalog.interval)");

	worker_xact_begin("forgetting keys that were deleted");
	spi_plan_write(&plan, NULL, NULL);
	worker_xact_commit();
}

/* Forget what is to be deleted: it is another database's. In a transaction. */
void
redis_key_cleanup_forget_all(void)
{
	static SavedPlan plan = SAVED_PLAN("DELETE FROM chat_internal.redis_key_queue");

	spi_plan_write(&plan, NULL, NULL);
}
