/*
 * redis_key_cleanup.c
 *	  Deleting keys in Redis of deleted chats and retired tokens.
 *
 * chat_internal.redis_key_queue has them since there is a pg_chat.redis_url:
 * chats that were deleted, and tokens that no application has any more, all of
 * whose keys are deleted. No other keys are: keys that look like ours may be
 * another database's, or another program's.
 *
 * The keys of a token are found by scanning all of Redis, in slices, for many
 * tokens at a time.
 *
 * A row that was done is not due any more. It is kept for a day: a Redis that
 * restarts from what it saved, or a replica that takes its place, may have the
 * keys of before, and then all rows are due again. After an error those are that
 * were done shortly before it: answers may have been wrong by then, and a command
 * of the connection that is lost may arrive after those of the next.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "bgworker/worker_xact.h"
#include "common/int_columns.h"
#include "common/spi_plan.h"
#include "common/tid_array.h"
#include "redis/redis_answer.h"
#include "redis/redis_connection.h"
#include "redis/redis_key_cleanup.h"
#include "redis/redis_keys.h"

/* The most tokens whose keys are searched for at a time. */
#define TOKENS_MAX 100

/* Deletions in so short a time before an error are repeated: five minutes. */
#define RECENT_MS (5 * 60 * 1000)

/* Rows that are changed in one transaction. */
#define ROWS_SLICE 10000

/* The longest cursor of a SCAN: a 64-bit number. */
#define CURSOR_SIZE 21

/* The key of a row of the queue. */
typedef struct QueueRow
{
	char	   *token;
	int32		chat;			/* 0: all of the token */
	pg_uuid_t	id;
} QueueRow;

/*
 * The search that is under way: the rows of its tokens, none if there is no
 * search, and the cursor of the SCAN. A token that is queued again in between
 * is another row, and is searched for again.
 */
typedef struct TokenSearch
{
	MemoryContext context;		/* of the rows */
	QueueRow   *rows;
	int			count;
	char		cursor[CURSOR_SIZE];
} TokenSearch;

static TokenSearch search = {0};

/* The rows of the queue in SPI_tuptable, from its columns token, chat_number and id; in context. */
static QueueRow *
rows_of_result(MemoryContext context)
{
	uint64		count = SPI_processed;
	int			token = spi_column("token");
	int			chat = spi_column("chat_number");
	int			id = spi_column("id");
	MemoryContext inner = MemoryContextSwitchTo(context);
	QueueRow   *rows = palloc((count + 1) * sizeof(QueueRow));

	for (uint64 row = 0; row < count; row++)
		rows[row] = (QueueRow) {
			.token = spi_result_string(row, token, NULL),
			.chat = spi_result_int32(row, chat),
			.id = *DatumGetUUIDP(spi_result(row, id, UUIDOID, NULL))
		};
	MemoryContextSwitchTo(inner);
	return rows;
}

/* Mark rows as done. In a transaction. */
static void
mark_done(QueueRow *rows, int count)
{
	static SavedPlan find = SAVED_PLAN(
		"SELECT q.ctid FROM ROWS FROM (unnest($1), unnest($2), unnest($3)) AS k (token, chat_number, id),"
		" LATERAL (SELECT r.ctid FROM chat_internal.redis_key_queue AS r"
		" WHERE r.token = k.token AND r.chat_number = k.chat_number AND r.id = k.id FOR NO KEY UPDATE) AS q",
		TEXTARRAYOID, INT4ARRAYOID, UUIDARRAYOID);
	static SavedPlan update = {
		.sql = "UPDATE chat_internal.redis_key_queue AS q SET due = false, done_at = COALESCE(q.done_at, clock_timestamp())"
		" FROM unnest($1) AS k (tid) WHERE q.ctid = k.tid",
		.by_tid = true,
		.nargs = 1,
		.argtypes = {TIDARRAYOID}
	};
	Datum	   *tokens = palloc(count * sizeof(Datum));
	Datum	   *ids = palloc(count * sizeof(Datum));
	IntColumns	chats;
	Datum		values[3];
	Datum		tids;

	int_columns_init(&chats, 1, count);
	for (int i = 0; i < count; i++)
	{
		tokens[i] = CStringGetTextDatum(rows[i].token);
		int_columns_append(&chats, &rows[i].chat);
		ids[i] = UUIDPGetDatum(&rows[i].id);
	}
	values[0] = PointerGetDatum(construct_array(tokens, count, TEXTOID, -1, false, TYPALIGN_INT));
	int_columns_to_arrays(&chats, &values[1]);
	values[2] = PointerGetDatum(construct_array(ids, count, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR));
	spi_plan_write(&find, values, NULL);
	tids = tid_array_of_result("ctid");
	spi_plan_write(&update, &tids, NULL);
}

/* Begin to search for the keys of tokens in the queue. Returns false if there are none. */
static bool
begin_search(void)
{
	static SavedPlan plan = SAVED_PLAN(
		"SELECT token, chat_number, id FROM chat_internal.redis_key_queue"
		" WHERE due AND chat_number = 0 LIMIT $1",
		INT8OID);
	Datum		limit = Int64GetDatum(TOKENS_MAX);

	if (search.context == NULL)
		search.context = AllocSetContextCreate(TopMemoryContext, "pg_chat retired tokens",
											   ALLOCSET_SMALL_SIZES);
	MemoryContextReset(search.context);
	strcpy(search.cursor, "0");
	worker_xact_begin("looking for tokens that are nobody's any more");
	search.count = spi_plan_read_fresh(&plan, &limit);
	search.rows = rows_of_result(search.context);
	worker_xact_commit();
	return search.count > 0;
}

/*
 * End the search, when all of Redis was scanned: its rows are done. Appends to
 * *living the applications that have one of the tokens after all, as after a
 * TRUNCATE of chats: their keys were deleted, too.
 */
static void
end_search(List **living)
{
	static SavedPlan find_living = SAVED_PLAN(
		"SELECT id FROM chat.applications WHERE token = ANY ($1)", TEXTARRAYOID);
	MemoryContext context = CurrentMemoryContext;
	MemoryContext inner;
	Datum		tokens[TOKENS_MAX];
	Datum		value;
	uint64		count;

	for (int i = 0; i < search.count; i++)
		tokens[i] = CStringGetTextDatum(search.rows[i].token);
	value = PointerGetDatum(construct_array(tokens, search.count, TEXTOID, -1, false, TYPALIGN_INT));
	worker_xact_begin("noting that keys of tokens are deleted");
	mark_done(search.rows, search.count);
	count = spi_plan_read_fresh(&find_living, &value);
	inner = MemoryContextSwitchTo(context);
	for (uint64 row = 0; row < count; row++)
		*living = lappend_int(*living, spi_result_int32(row, spi_column("id")));
	MemoryContextSwitchTo(inner);
	worker_xact_commit();
	search.count = 0;
}

/* Whether a key is one of ours, with a token that is searched for. */
static bool
is_searched_for(const char *key)
{
	static const char prefix[] = "application:";

	if (strncmp(key, prefix, strlen(prefix)) != 0)
		return false;
	key += strlen(prefix);
	for (int i = 0; i < search.count; i++)
	{
		size_t		length = strlen(search.rows[i].token);
		const char *rest = key + length;

		if (strncmp(key, search.rows[i].token, length) != 0)
			continue;
		if (strncmp(rest, ":chat:", 6) == 0 && isdigit((unsigned char) rest[6]))
			rest += 6 + strspn(rest + 6, "0123456789");
		if (strcmp(rest, ":number") == 0)
			return true;
	}
	return false;
}

/* Take the next cursor, and the keys to delete; context is their list. */
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
	strcpy(search.cursor, cursor->str);
	for (size_t n = 0; n < found->elements; n++)
	{
		const redisReply *key = found->element[n];

		CHECK_FOR_INTERRUPTS();
		if (key->type != REDIS_REPLY_STRING)
			redis_raise_answer("could not list the keys of", reply);
		if (redis_is_text(key) && is_searched_for(key->str))
			*keys = lappend(*keys, pstrdup(key->str));
	}
}

/*
 * Delete the keys of retired tokens, among the next slice of Redis's keys.
 * Returns false if there are no such tokens. Appends to *living applications
 * whose keys were deleted, but that exist.
 */
bool
redis_key_cleanup_delete_tokens(List **living)
{
	List	   *keys = NIL;
	ListCell   *cell;

	if (search.count == 0 && !begin_search())
		return false;
	redis_command(6, (const char *[]) {"SCAN", search.cursor, "MATCH", "application:*", "COUNT", "1000"});
	redis_exchange(take_scanned, &keys);
	foreach(cell, keys)
		redis_command(2, (const char *[]) {"DEL", lfirst(cell)});
	redis_exchange(redis_require_written, NULL);
	if (strcmp(search.cursor, "0") == 0)
		end_search(living);
	return true;
}

/*
 * Delete the keys of a slice of the deleted chats, unless the chats exist
 * again. Returns false if there are none.
 */
bool
redis_key_cleanup_delete_chats(void)
{
	static SavedPlan next = SAVED_PLAN(
		"SELECT COALESCE(a.id, 0) AS application_id, q.chat_number, q.token, c.last_message_number AS last_number, q.id"
		" FROM (SELECT token, chat_number, id FROM chat_internal.redis_key_queue"
		" WHERE due AND chat_number > 0 ORDER BY token, chat_number LIMIT $1) AS q"
		" LEFT JOIN LATERAL (SELECT a.id FROM chat.applications AS a WHERE a.token = q.token LIMIT 1) AS a ON true"
		" LEFT JOIN LATERAL (SELECT c.last_message_number FROM chat.chats AS c"
		" WHERE c.application_id = a.id AND c.number = q.chat_number AND c.deleted_at IS NULL LIMIT 1) AS c ON true",
		INT8OID);
	Datum		limit = Int64GetDatum(REDIS_COUNTERS_SLICE);
	MemoryContext context = CurrentMemoryContext;
	RedisCounter *counters;
	QueueRow   *rows;
	int			count;

	worker_xact_begin("looking for chats that were deleted");
	count = spi_plan_read_fresh(&next, &limit);
	counters = redis_counters_of_result(context);
	rows = rows_of_result(context);
	worker_xact_commit();
	if (count == 0)
		return false;
	redis_counters_write(redis_counters_list(counters, count), count);
	worker_xact_begin("noting that keys of chats are deleted");
	mark_done(rows, count);
	worker_xact_commit();
	return true;
}

/* Whether some keys of retired tokens are deleted, and others not yet. */
bool
redis_key_cleanup_under_way(void)
{
	return search.count > 0;
}

/* Stop the search that is under way; the next one begins anew. */
void
redis_key_cleanup_stop(void)
{
	search.count = 0;
}

/* Change the rows that a statement finds by a time, some in a transaction. */
static void
change_in_slices(const char *activity, SavedPlan *find, TimestampTz time, SavedPlan *change)
{
	Datum		values[2] = {TimestampTzGetDatum(time), Int64GetDatum(ROWS_SLICE)};
	uint64		rows;

	do
	{
		CHECK_FOR_INTERRUPTS();
		worker_xact_begin(activity);
		rows = tid_array_write(find, values, change);
		worker_xact_commit();
	} while (rows == ROWS_SLICE);
}

/* Have keys deleted again that were, and may be back: all, or the recent ones. */
void
redis_key_cleanup_do_again(bool all)
{
	static SavedPlan find = SAVED_PLAN(
		"SELECT ctid FROM chat_internal.redis_key_queue WHERE NOT due AND done_at > $1 LIMIT $2 FOR NO KEY UPDATE",
		TIMESTAMPTZOID, INT8OID);
	static SavedPlan update = TID_ARRAY_PLAN("UPDATE chat_internal.redis_key_queue SET due = true WHERE ctid = ANY ($1)");
	TimestampTz recently = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), -RECENT_MS);

	redis_key_cleanup_stop();
	change_in_slices("having keys deleted again", &find, all ? DT_NOBEGIN : recently, &update);
}

/* Delete rows that were done more than a day ago. */
void
redis_key_cleanup_forget_old(void)
{
	static SavedPlan find = SAVED_PLAN(
		"SELECT ctid FROM chat_internal.redis_key_queue WHERE NOT due AND done_at < $1 LIMIT $2 FOR UPDATE",
		TIMESTAMPTZOID, INT8OID);
	static SavedPlan delete = TID_ARRAY_PLAN("DELETE FROM chat_internal.redis_key_queue WHERE ctid = ANY ($1)");

	change_in_slices("forgetting keys that were deleted", &find,
					 TimestampTzPlusMilliseconds(GetCurrentTimestamp(), -(int64) SECS_PER_DAY * 1000), &delete);
}

/* Delete all rows: they are another database's. In a transaction. */
void
redis_key_cleanup_forget_all(void)
{
	static SavedPlan plan = SAVED_PLAN("DELETE FROM chat_internal.redis_key_queue");

	spi_plan_write(&plan, NULL, NULL);
}
