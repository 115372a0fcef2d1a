/*
 * mirror.c
 *	  The worker's duty of mirroring counters to Redis.
 *
 * For other programs that read them, the highest numbers stand in Redis under
 * the keys
 *
 *	application:<token>:number					of the application's chats
 *	application:<token>:chat:<number>:number	of the chat's messages
 *
 * They are copies: nothing is ever read from Redis but to find out whether it
 * is right. To push is to write what changed, as shared memory tells it, within
 * a second. To verify is to compare all keys with the tables, in slices, each
 * pg_chat.reconcile_interval and after each new connection; so a Redis that was
 * flushed, replaced or written to by others is right again.
 *
 * While a slice is compared, numbers go on rising. So a key that differs is
 * looked at once more after what changed meanwhile was pushed: it is wrong if
 * it is lower than what the table said first, or higher than what the table
 * says last.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "array.h"
#include "mirror.h"
#include "plan.h"
#include "redis.h"
#include "settings.h"
#include "worker.h"

/* Counters that are read, pushed or compared at a time. */
#define MIRROR_SLICE 1000

#define ANSWER_MISSING (-1)		/* the key is not there */
#define ANSWER_WRONG (-2)		/* its value is no number */

/* A counter, as the tables have it. */
typedef struct MirroredCounter
{
	ChangedChat parent;			/* chat 0: the application's chats */
	char	   *token;			/* the application's */
	char	   *key;
	int32		value;
	bool		gone;			/* the chat does not exist any more */
	int64		answer;			/* Redis's value, or ANSWER_... */
} MirroredCounter;

/* The URL of the connection; NULL if there is none. */
static char *connected_url = NULL;

/* Where verification stands, and when it began; 0: it is to begin now. */
static ChangedChat verify_position = {0, 0};
static TimestampTz last_verification = 0;

/*
 * Read counters with a statement, in a transaction of its own; they outlive
 * it.
 */
static int
read_counters(SavedPlan *plan, const Datum *values, MirroredCounter **counters)
{
	MemoryContext context = CurrentMemoryContext;
	MemoryContext inner;
	uint64		count;

	worker_begin("reading counters for Redis");
	count = plan_modify(plan, values, NULL);
	inner = MemoryContextSwitchTo(context);
	*counters = palloc0((count + 1) * sizeof(MirroredCounter));
	for (uint64 row = 0; row < count; row++)
	{
		MirroredCounter *counter = &(*counters)[row];

		counter->token = SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 3);
		counter->parent = (ChangedChat) {plan_result_int32(row, 1), plan_result_int32(row, 2)};
		(void) SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 4, &counter->gone);
		if (!counter->gone)
			counter->value = plan_result_int32(row, 4);
		if (counter->parent.chat == 0)
			counter->key = psprintf("application:%s:number", counter->token);
		else
			counter->key = psprintf("application:%s:chat:%d:number", counter->token, counter->parent.chat);
	}
	MemoryContextSwitchTo(inner);
	worker_commit();
	return count;
}

/* A list of pointers to counters, that ends with NULL. */
static MirroredCounter **
pointers_to(MirroredCounter *counters, int count)
{
	MirroredCounter **list = palloc0((count + 1) * sizeof(MirroredCounter *));

	for (int i = 0; i < count; i++)
		list[i] = &counters[i];
	return list;
}

/* The counters of these parents, in their order; those of applications that are gone are left out. */
static int
read_named_counters(const ChangedChat *parents, int count, MirroredCounter **counters)
{
	static SavedPlan plan = SAVED_PLAN(
		"SELECT k.application_id, k.number, a.token,"
		" CASE WHEN k.number OPERATOR(pg_catalog.=) 0 THEN COALESCE(n.last_chat_number, 0)"
		" ELSE c.last_number END"
		" FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2)) WITH ORDINALITY"
		" AS k (application_id, number, position)"
		" JOIN chat.applications AS a ON a.id OPERATOR(pg_catalog.=) k.application_id"
		" LEFT JOIN chat.application_counters AS n ON n.application_id OPERATOR(pg_catalog.=) k.application_id"
		" LEFT JOIN chat.chats AS c ON c.application_id OPERATOR(pg_catalog.=) k.application_id"
		" AND c.number OPERATOR(pg_catalog.=) k.number"
		" ORDER BY k.position",
		INT4ARRAYOID, INT4ARRAYOID);
	Int32Array	columns[2];
	Datum		values[2];

	for (int i = 0; i < 2; i++)
		int32_array_init(&columns[i], count);
	for (int i = 0; i < count; i++)
	{
		int32_array_append(&columns[0], parents[i].application);
		int32_array_append(&columns[1], parents[i].chat);
	}
	for (int i = 0; i < 2; i++)
		values[i] = int32_array_datum(&columns[i]);
	return read_counters(&plan, values, counters);
}

static int
read_counters_after(ChangedChat position, MirroredCounter **counters)
{
	static SavedPlan plan = SAVED_PLAN(
		"SELECT k.application_id, k.number, a.token, k.last_number FROM"
		" (SELECT * FROM ((SELECT application_id, number, last_number FROM chat.chats"
		" WHERE (application_id, number) OPERATOR(pg_catalog.>) ($1, $2)"
		" ORDER BY application_id, number LIMIT $3)"
		" UNION ALL (SELECT application_id, 0, last_chat_number FROM chat.application_counters"
		" WHERE application_id OPERATOR(pg_catalog.>) $1 ORDER BY application_id LIMIT $3)) AS u"
		" ORDER BY application_id, number LIMIT $3) AS k"
		" JOIN chat.applications AS a ON a.id OPERATOR(pg_catalog.=) k.application_id"
		" ORDER BY k.application_id, k.number",
		INT4OID, INT4OID, INT8OID);
	Datum		values[3] = {
		Int32GetDatum(position.application), Int32GetDatum(position.chat), Int64GetDatum(MIRROR_SLICE)
	};

	return read_counters(&plan, values, counters);
}

/* Raise an answer that says that something could not be written. */
static void
require_written(int i, const redisReply *reply, void *context)
{
	if (reply->type == REDIS_REPLY_ERROR)
		ereport(ERROR,
				(errcode(ERRCODE_CONNECTION_FAILURE),
				 errmsg("Redis refused a counter: %s", reply->str)));
}

/*
 * Write counters, at most a slice: one command for those that are there, and
 * one to delete the keys of those that are gone.
 */
static void
write_counters(MirroredCounter **counters, int count)
{
	const char **set = palloc((2 * count + 1) * sizeof(char *));
	const char **delete = palloc((count + 1) * sizeof(char *));
	int			set_count = 0;
	int			delete_count = 0;

	set[set_count++] = "MSET";
	delete[delete_count++] = "DEL";
	for (int i = 0; i < count; i++)
	{
		if (counters[i]->gone)
			delete[delete_count++] = counters[i]->key;
		else
		{
			set[set_count++] = counters[i]->key;
			set[set_count++] = psprintf("%d", counters[i]->value);
		}
	}
	if (set_count > 1)
		redis_command(set_count, set);
	if (delete_count > 1)
		redis_command(delete_count, delete);
	redis_exchange(require_written, NULL);
}

/*
 * Push what changed since the last time. If that is not known in full, have
 * everything verified.
 */
static void
push_changes(Pass *pass)
{
	ChangedChat *changes;
	bool		all;
	int			count;

	if (!shared_available())
		return;
	count = shared_take_changes(&changes, &all);
	if (all)
	{
		verify_position = (ChangedChat) {0, 0};
		last_verification = 0;
	}
	for (int first = 0; first < count; first += MIRROR_SLICE)
	{
		MirroredCounter *counters;
		int			found = read_named_counters(changes + first,
												Min(MIRROR_SLICE, count - first), &counters);

		write_counters(pointers_to(counters, found), found);
		pass->done += found;
	}
	pfree(changes);
}

/* Take the values of the keys that were asked for. */
static void
take_answers(int i, const redisReply *reply, void *context)
{
	MirroredCounter **counters = context;

	if (reply->type != REDIS_REPLY_ARRAY)
		ereport(ERROR,
				(errcode(ERRCODE_CONNECTION_FAILURE),
				 errmsg("Redis did not give the counters: %s",
						reply->type == REDIS_REPLY_ERROR ? reply->str : "the answer is no array")));
	for (size_t n = 0; n < reply->elements; n++)
	{
		const redisReply *element = reply->element[n];
		char	   *end;

		if (counters[n] == NULL)
			break;
		counters[n]->answer = ANSWER_MISSING;
		if (element->type != REDIS_REPLY_STRING)
			continue;
		errno = 0;
		counters[n]->answer = strtoll(element->str, &end, 10);
		if (errno != 0 || end == element->str || *end != '\0' || counters[n]->answer < 0)
			counters[n]->answer = ANSWER_WRONG;
	}
}

/* Ask Redis for the values of counters; the list ends with NULL. */
static void
ask(MirroredCounter **counters, int count)
{
	const char **command = palloc((count + 1) * sizeof(char *));

	command[0] = "MGET";
	for (int i = 0; i < count; i++)
		command[i + 1] = counters[i]->key;
	redis_command(count + 1, command);
	redis_exchange(take_answers, counters);
	pfree(command);
}

static void
record_mended(const MirroredCounter *counter, int64 was)
{
	static SavedPlan plan = SAVED_PLAN(
		"INSERT INTO chat.mended_counts (application_id, chat_number, counter, was, mended_to)"
		" VALUES ($1, NULLIF($2, 0), 'redis', NULLIF($3, -1), $4)",
		INT4OID, INT4OID, INT4OID, INT4OID);
	Datum		values[4] = {
		Int32GetDatum(counter->parent.application), Int32GetDatum(counter->parent.chat),
		Int32GetDatum(was < 0 || was > PG_INT32_MAX ? -1 : (int32) was),
		Int32GetDatum(counter->value)
	};

	plan_modify(&plan, values, NULL);
}

/*
 * Look once more at counters whose key differed, and mend those that are
 * wrong.
 */
static void
mend_suspects(MirroredCounter **suspects, int count, Pass *pass)
{
	ChangedChat *parents = palloc(count * sizeof(ChangedChat));
	MirroredCounter *now;
	MirroredCounter **wrong;
	int			found;
	int			wrong_count = 0;

	push_changes(pass);
	ask(suspects, count);
	for (int i = 0; i < count; i++)
		parents[i] = suspects[i]->parent;
	found = read_named_counters(parents, count, &now);

	/* Rows come in the order of the parents; one that is gone may be missing. */
	wrong = palloc((found + 1) * sizeof(MirroredCounter *));
	for (int i = 0, n = 0; i < count && n < found; i++)
	{
		if (now[n].parent.application != suspects[i]->parent.application ||
			now[n].parent.chat != suspects[i]->parent.chat)
			continue;
		now[n].answer = suspects[i]->answer;
		if (!now[n].gone &&
			(now[n].answer < suspects[i]->value || now[n].answer > now[n].value))
			wrong[wrong_count++] = &now[n];
		n++;
	}
	write_counters(wrong, wrong_count);

	/* Without shared memory nothing is pushed, and lagging is no error. */
	if (wrong_count == 0 || !shared_available())
		return;
	worker_begin("recording what was mended in Redis");
	for (int i = 0; i < wrong_count; i++)
	{
		record_mended(wrong[i], wrong[i]->answer);
		duty_report_mended(wrong[i]->parent.application, wrong[i]->parent.chat, "the Redis key",
						   wrong[i]->answer < 0 || wrong[i]->answer > PG_INT32_MAX ? -1 : wrong[i]->answer,
						   wrong[i]->value, pass);
	}
	worker_commit();
}

/*
 * Compare a slice of the keys with the tables. Returns whether it was the
 * last.
 */
static bool
verify_slice(Pass *pass)
{
	MirroredCounter *counters;
	MirroredCounter **list;
	int			count = read_counters_after(verify_position, &counters);
	int			suspects = 0;

	if (count == 0)
		return true;
	list = pointers_to(counters, count);
	ask(list, count);
	for (int i = 0; i < count; i++)
		if (counters[i].answer != counters[i].value)
			list[suspects++] = &counters[i];
	list[suspects] = NULL;
	if (suspects > 0)
		mend_suspects(list, suspects, pass);
	verify_position = counters[count - 1].parent;
	pass->done += count;
	return count < MIRROR_SLICE;
}

/* What a SCAN found: the next cursor, and keys to delete. */
typedef struct Scanned
{
	char	   *cursor;
	List	   *keys;
} Scanned;

static void
take_scanned(int i, const redisReply *reply, void *context)
{
	Scanned    *scanned = context;

	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
		reply->element[0]->type != REDIS_REPLY_STRING ||
		reply->element[1]->type != REDIS_REPLY_ARRAY)
		ereport(ERROR,
				(errcode(ERRCODE_CONNECTION_FAILURE),
				 errmsg("Redis did not list keys: %s",
						reply->type == REDIS_REPLY_ERROR ? reply->str : "the answer is malformed")));
	scanned->cursor = pstrdup(reply->element[0]->str);
	for (size_t n = 0; n < reply->element[1]->elements; n++)
		scanned->keys = lappend(scanned->keys, pstrdup(reply->element[1]->element[n]->str));
}

/* A pattern that matches the keys of a token, whatever characters it has. */
static char *
pattern_of(const char *token)
{
	StringInfoData pattern;

	initStringInfo(&pattern);
	appendStringInfoString(&pattern, "application:");
	for (; *token; token++)
	{
		if (strchr("*?[]^\\", *token) != NULL)
			appendStringInfoChar(&pattern, '\\');
		appendStringInfoChar(&pattern, *token);
	}
	appendStringInfoString(&pattern, ":*");
	return pattern.data;
}

/* Delete the keys of a token that is nobody's any more. */
static void
delete_keys(const char *token)
{
	Scanned		scanned = {.cursor = "0"};
	char	   *pattern = pattern_of(token);

	do
	{
		ListCell   *cell;

		CHECK_FOR_INTERRUPTS();
		redis_command(6, (const char *[]) {"SCAN", scanned.cursor, "MATCH", pattern, "COUNT", "1000"});
		scanned.keys = NIL;
		redis_exchange(take_scanned, &scanned);
		foreach(cell, scanned.keys)
			redis_command(2, (const char *[]) {"DEL", lfirst(cell)});
		redis_exchange(require_written, NULL);
	} while (strcmp(scanned.cursor, "0") != 0);
}

/*
 * Move the keys of applications that got another token, and delete those of
 * applications that are gone.
 */
static void
move_retired_tokens(void)
{
	static SavedPlan first = SAVED_PLAN(
		"SELECT token FROM chat.retired_tokens WHERE chat_number IS NULL AND $1 ORDER BY retired_at LIMIT 1", BOOLOID);
	static SavedPlan done = SAVED_PLAN(
		"DELETE FROM chat.retired_tokens WHERE token OPERATOR(pg_catalog.=) $1", TEXTOID);

	for (;;)
	{
		MemoryContext context = CurrentMemoryContext;
		Datum		value = BoolGetDatum(true);
		char	   *token = NULL;

		worker_begin("looking for tokens that were rotated");
		if (plan_modify(&first, &value, NULL) == 1)
			token = MemoryContextStrdup(context, SPI_getvalue(SPI_tuptable->vals[0],
															  SPI_tuptable->tupdesc, 1));
		worker_commit();
		if (token == NULL)
			return;

		delete_keys(token);
		last_verification = 0;
		worker_begin("forgetting a token that was rotated");
		value = CStringGetTextDatum(token);
		plan_modify(&done, &value, NULL);
		worker_commit();
	}
}

/*
 * Delete the keys of chats that were deleted, unless they are there again.
 */
static void
delete_retired_chats(void)
{
	static SavedPlan next = SAVED_PLAN(
		"SELECT COALESCE(a.id, 0), r.chat_number, r.token, c.last_number"
		" FROM (SELECT token, chat_number FROM chat.retired_tokens"
		" WHERE chat_number IS NOT NULL ORDER BY token, chat_number LIMIT $1) AS r"
		" LEFT JOIN chat.applications AS a ON a.token OPERATOR(pg_catalog.=) r.token"
		" LEFT JOIN chat.chats AS c ON c.application_id OPERATOR(pg_catalog.=) a.id"
		" AND c.number OPERATOR(pg_catalog.=) r.chat_number",
		INT8OID);
	static SavedPlan done = SAVED_PLAN(
		"DELETE FROM chat.retired_tokens WHERE token OPERATOR(pg_catalog.=) $1"
		" AND chat_number OPERATOR(pg_catalog.=) $2",
		TEXTOID, INT4OID);
	Datum		limit = Int64GetDatum(MIRROR_SLICE);
	MirroredCounter *counters;
	int			count;

	while ((count = read_counters(&next, &limit, &counters)) > 0)
	{
		CHECK_FOR_INTERRUPTS();
		write_counters(pointers_to(counters, count), count);
		worker_begin("forgetting chats that were deleted");
		for (int i = 0; i < count; i++)
		{
			Datum		values[2] = {
				CStringGetTextDatum(counters[i].token), Int32GetDatum(counters[i].parent.chat)
			};

			plan_modify(&done, values, NULL);
		}
		worker_commit();
	}
}

static void
connect(void)
{
	if (connected_url != NULL && strcmp(connected_url, settings_redis_url) != 0)
		mirror_disconnect();
	if (!redis_connect(settings_redis_url))
		return;
	connected_url = MemoryContextStrdup(TopMemoryContext, settings_redis_url);
	verify_position = (ChangedChat) {0, 0};
	last_verification = 0;
}

/* The interval may change while it is waited for. */
static TimestampTz
next_verification(void)
{
	return TimestampTzPlusMilliseconds(last_verification, settings_reconcile_interval * 1000L);
}

/*
 * Duty: push what changed and, when it is time, verify everything.
 */
long
mirror_run(Pass *pass)
{
	if (shared_available())
		shared_listen(*settings_redis_url != '\0');
	if (*settings_redis_url == '\0')
	{
		mirror_disconnect();
		pass->off = true;
		return settings_reconcile_interval * 1000L;
	}

	connect();
	move_retired_tokens();
	delete_retired_chats();
	push_changes(pass);
	if (next_verification() <= GetCurrentTimestamp())
	{
		last_verification = GetCurrentTimestamp();
		while (!verify_slice(pass))
		{
			CHECK_FOR_INTERRUPTS();
			push_changes(pass);
		}
		verify_position = (ChangedChat) {0, 0};
	}
	return Max(1, TimestampDifferenceMilliseconds(GetCurrentTimestamp(), next_verification()));
}

/*
 * Drop the connection. What was not pushed is found by the verification that
 * follows the next connection.
 */
void
mirror_disconnect(void)
{
	redis_disconnect();
	if (connected_url != NULL)
		pfree(connected_url);
	connected_url = NULL;
}
