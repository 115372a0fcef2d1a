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
 * a second. To verify is to compare all keys with the tables each
 * pg_chat.reconcile_interval and after each new connection; so a Redis that was
 * flushed, replaced or written to by others is right again. To fill is to write
 * all keys of an application: one that has just got a token. All of it is done
 * in slices, and a pass ends after a short time, wherever it stands, so that
 * neither a large mirror nor a slow Redis keeps the worker from its other
 * duties.
 *
 * While a slice is compared, numbers go on rising. So a key that differs is a
 * suspect, which is looked at once more, in the next pass, after what changed
 * meanwhile was pushed: it is wrong if it is lower than what the table said
 * first, or higher than what the table says now. What is wrong is mended and,
 * if somebody else must have done it, reported. So this is written, but not
 * reported one by one:
 *
 * - a missing key of a chat without messages, or an application without chats;
 * - a missing key while those of retired tokens are deleted: after a TRUNCATE of
 *   chats, they are the tokens of all applications;
 * - all that a verification finds that catches up: one that follows a new
 *   connection, or changes that shared memory lost. The log has their number.
 *   Once an application's own key is found missing, which is reported, Redis
 *   was flushed, and that verification catches up from there on, too;
 * - anything where there is no shared memory: there, nothing is pushed, and
 *   lagging is no error.
 *
 * Keys are deleted of what chat.retired_tokens names: what was deleted or got
 * another token since there has been a pg_chat.redis_url. No other keys are:
 * those that look like ours may be another database's, or another program's.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/array.h"
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

/* When a pass ends if there is more to do, and the pause before the next. */
#define PASS_BUDGET_MS 200
#define PASS_PAUSE_MS 50

/* Tokens whose keys are looked for at a time. */
#define RETIRING_MAX 100

/* The longest cursor of a SCAN: a 64-bit number. */
#define CURSOR_SIZE 21

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

/* A counter whose key differed when it was verified. */
typedef struct Suspect
{
	ChangedChat parent;
	int32		value;			/* as the table had it then */
	uint32		key_hash;		/* another one: the token was rotated since */
} Suspect;

/*
 * What is under way. It spans passes, and ends with the connection.
 */

/* The URL of the connection; NULL if there is none. */
static char *connected_url = NULL;

/* Changes that were taken from shared memory; NULL if all of them are pushed. */
static ChangedChat *pending = NULL;
static int	pending_count;
static int	pending_pushed;

/* Applications to fill, and how far the first of them is. */
static List *fills = NIL;
static ChangedChat fill_position = {0, 0};

/* Verification: where it stands, and when it began; 0: it is to begin now. */
static bool verifying = false;
static ChangedChat verify_position;
static TimestampTz last_verification = 0;
static Suspect suspects[MIRROR_SLICE];
static int	suspect_count = 0;

/* Verifications that catch up, this one included, and what they wrote. */
static int	catching_up = 0;
static uint64 caught_up = 0;

/* Tokens whose keys are looked for, since when, and the cursor of the SCAN. */
static MemoryContext retiring_context = NULL;
static char *retiring[RETIRING_MAX];
static int	retiring_count = 0;
static TimestampTz retiring_since;
static char retiring_cursor[CURSOR_SIZE];

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

/* A list of pointers to counters. */
static MirroredCounter **
pointers_to(MirroredCounter *counters, int count)
{
	MirroredCounter **list = palloc((count + 1) * sizeof(MirroredCounter *));

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

/* Raise an answer that is none of those that were expected. */
static void
raise_answer(const char *what, const redisReply *reply)
{
	redis_raise(what, reply->type == REDIS_REPLY_ERROR ? reply->str : "the answer is malformed");
}

/* Whether it is a text, without a zero byte. */
static bool
is_text(const redisReply *reply)
{
	return reply->type == REDIS_REPLY_STRING && strlen(reply->str) == reply->len;
}

/* Raise an answer unless it says that something was written. */
static void
require_written(int i, const redisReply *reply, void *context)
{
	if (reply->type != REDIS_REPLY_STATUS && reply->type != REDIS_REPLY_INTEGER)
		raise_answer("could not write counters to", reply);
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

/* Counters whose values Redis is asked for. */
typedef struct Question
{
	MirroredCounter **counters;
	int			count;
} Question;

/* Take the values of the keys that were asked for. */
static void
take_answers(int i, const redisReply *reply, void *context)
{
	const Question *question = context;

	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != question->count)
		raise_answer("could not read counters from", reply);
	for (int n = 0; n < question->count; n++)
	{
		const redisReply *element = reply->element[n];
		int64	   *answer = &question->counters[n]->answer;
		char	   *end;

		*answer = ANSWER_MISSING;
		if (element->type == REDIS_REPLY_NIL)
			continue;
		*answer = ANSWER_WRONG;
		if (!is_text(element) || !isdigit((unsigned char) *element->str))
			continue;
		errno = 0;
		*answer = strtoll(element->str, &end, 10);
		if (errno != 0 || *end != '\0')
			*answer = ANSWER_WRONG;
	}
}

/* Ask Redis for the values of counters. */
static void
ask(MirroredCounter **counters, int count)
{
	Question	question = {counters, count};
	const char **command = palloc((count + 1) * sizeof(char *));

	if (count == 0)
		return;
	command[0] = "MGET";
	for (int i = 0; i < count; i++)
		command[i + 1] = counters[i]->key;
	redis_command(count + 1, command);
	redis_exchange(take_answers, &question);
}

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

/*
 * Take from shared memory what changed, unless there is some yet to be pushed.
 * If that is not known in full, catch up.
 */
static void
take_changes(void)
{
	MemoryContext caller;
	bool		all;

	if (pending != NULL || !shared_available())
		return;
	caller = MemoryContextSwitchTo(TopMemoryContext);
	pending_count = shared_take_changes(&pending, &all);
	MemoryContextSwitchTo(caller);
	pending_pushed = 0;
	if (all)
		catch_up();
}

/* Have those applications filled that have chats, and no key of their own yet. */
static void
fill_new_applications(MirroredCounter *counters, int count)
{
	MirroredCounter **applications = palloc((count + 1) * sizeof(MirroredCounter *));
	int			found = 0;

	for (int i = 0; i < count; i++)
		if (counters[i].parent.chat == 0 && counters[i].value > 0)
			applications[found++] = &counters[i];
	ask(applications, found);
	for (int i = 0; i < found; i++)
		if (applications[i]->answer == ANSWER_MISSING)
			add_fill(applications[i]->parent.application);
}

/* Push a slice of what changed. */
static void
push_slice(Pass *pass)
{
	MirroredCounter *counters;
	int			count = Min(MIRROR_SLICE, pending_count - pending_pushed);
	int			found;

	if (count > 0)
	{
		found = read_named_counters(pending + pending_pushed, count, &counters);
		fill_new_applications(counters, found);
		write_counters(pointers_to(counters, found), found);
		pending_pushed += count;
		pass->done += found;
	}
	if (pending_pushed == pending_count)
	{
		pfree(pending);
		pending = NULL;
	}
}

/* Fill a slice of the first application that is to be. Returns false if there is none. */
static bool
fill_slice(Pass *pass)
{
	MirroredCounter *counters;
	int32		application;
	int			count;
	int			own = 0;

	if (fills == NIL)
		return false;
	application = linitial_int(fills);
	if (fill_position.application != application)
		fill_position = (ChangedChat) {application - 1, PG_INT32_MAX};
	count = read_counters_after(fill_position, &counters);
	while (own < count && counters[own].parent.application == application)
		own++;
	write_counters(pointers_to(counters, own), own);
	pass->done += own;
	if (own == MIRROR_SLICE)
		fill_position = counters[own - 1].parent;
	else
	{
		fills = list_delete_first(fills);
		fill_position = (ChangedChat) {0, 0};
	}
	return true;
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

static uint32
hash_key(const MirroredCounter *counter)
{
	return hash_bytes((const unsigned char *) counter->key, strlen(counter->key));
}

/* Report keys that were wrong and are mended, those that are to be. */
static void
report_wrong(MirroredCounter **wrong, int count, Pass *pass)
{
	worker_begin("recording what was mended in Redis");
	for (int i = 0; i < count; i++)
	{
		const MirroredCounter *counter = wrong[i];
		bool		missing = counter->answer == ANSWER_MISSING;

		if (catching_up > 0 || !shared_available() ||
			(missing && (counter->value == 0 || retiring_count > 0)))
		{
			caught_up++;
			continue;
		}
		record_mended(counter, counter->answer);
		duty_report_mended(counter->parent.application, counter->parent.chat, "the Redis key",
						   counter->answer < 0 || counter->answer > PG_INT32_MAX ? -1 : counter->answer,
						   counter->value, pass);
		if (missing && counter->parent.chat == 0)
			catching_up = 1;
	}
	worker_commit();
}

/*
 * Look once more at the suspects, and mend those that are wrong. Returns false
 * if there are none.
 */
static bool
mend_suspects(Pass *pass)
{
	ChangedChat parents[MIRROR_SLICE];
	MirroredCounter *now;
	MirroredCounter **wrong;
	int			found;
	int			wrong_count = 0;

	if (suspect_count == 0)
		return false;
	for (int i = 0; i < suspect_count; i++)
		parents[i] = suspects[i].parent;
	found = read_named_counters(parents, suspect_count, &now);
	ask(pointers_to(now, found), found);

	/* Rows come in the order of the parents; one that is gone may be missing. */
	wrong = palloc((found + 1) * sizeof(MirroredCounter *));
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
	write_counters(wrong, wrong_count);
	report_wrong(wrong, wrong_count, pass);
	suspect_count = 0;
	return true;
}

/* The interval may change while it is waited for. */
static TimestampTz
next_verification(void)
{
	return TimestampTzPlusMilliseconds(last_verification, settings_reconcile_interval * 1000L);
}

/* Begin verification, if it is time. Returns whether it is under way. */
static bool
begin_verification(void)
{
	if (!verifying && next_verification() <= GetCurrentTimestamp())
	{
		verifying = true;
		verify_position = (ChangedChat) {0, 0};
		last_verification = GetCurrentTimestamp();
	}
	return verifying;
}

static void
end_verification(void)
{
	verifying = false;
	if (catching_up > 0 && caught_up > 0)
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
verify_slice(Pass *pass)
{
	MirroredCounter *counters;
	int			count;

	if (!begin_verification())
		return false;
	count = read_counters_after(verify_position, &counters);
	if (count == 0)
	{
		end_verification();
		return begin_verification();
	}
	ask(pointers_to(counters, count), count);
	for (int i = 0; i < count; i++)
		if (counters[i].answer != counters[i].value)
			suspects[suspect_count++] = (Suspect) {
				counters[i].parent, counters[i].value, hash_key(&counters[i])
			};
	verify_position = counters[count - 1].parent;
	pass->done += count;
	return true;
}

/*
 * Take tokens from the queue, to delete their keys. Returns false if there are
 * none.
 */
static bool
begin_retiring(void)
{
	static SavedPlan plan = SAVED_PLAN(
		"SELECT DISTINCT token FROM chat.retired_tokens WHERE chat_number IS NULL LIMIT $1", INT8OID);
	Datum		limit = Int64GetDatum(RETIRING_MAX);
	MemoryContext inner;
	uint64		count;

	if (retiring_context == NULL)
		retiring_context = AllocSetContextCreate(TopMemoryContext, "pg_chat retired tokens",
												 ALLOCSET_SMALL_SIZES);
	MemoryContextReset(retiring_context);
	retiring_since = GetCurrentTimestamp();
	strcpy(retiring_cursor, "0");
	worker_begin("looking for tokens that were rotated");
	count = plan_modify(&plan, &limit, NULL);
	inner = MemoryContextSwitchTo(retiring_context);
	for (uint64 row = 0; row < count; row++)
		retiring[row] = SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 1);
	MemoryContextSwitchTo(inner);
	worker_commit();
	retiring_count = count;
	return count > 0;
}

/*
 * End it when all of Redis was searched: forget the tokens. Of those that are
 * an application's, as after a TRUNCATE of chats, too much was deleted.
 */
static void
end_retiring(void)
{
	static SavedPlan forget = SAVED_PLAN(
		"DELETE FROM chat.retired_tokens WHERE token OPERATOR(pg_catalog.=) ANY ($1)"
		" AND chat_number IS NULL AND retired_at OPERATOR(pg_catalog.<=) $2",
		TEXTARRAYOID, TIMESTAMPTZOID);
	static SavedPlan living = SAVED_PLAN(
		"SELECT id FROM chat.applications WHERE token OPERATOR(pg_catalog.=) ANY ($1)", TEXTARRAYOID);
	Datum		tokens[RETIRING_MAX];
	Datum		values[2];
	uint64		count;

	for (int i = 0; i < retiring_count; i++)
		tokens[i] = CStringGetTextDatum(retiring[i]);
	values[0] = PointerGetDatum(construct_array(tokens, retiring_count, TEXTOID, -1, false, TYPALIGN_INT));
	values[1] = TimestampTzGetDatum(retiring_since);
	worker_begin("forgetting tokens that were rotated");
	plan_modify(&forget, values, NULL);
	count = plan_modify(&living, values, NULL);
	for (uint64 row = 0; row < count; row++)
		add_fill(plan_result_int32(row, 1));
	worker_commit();
	retiring_count = 0;
}

/* Whether a key is one that this file makes, of a token that is retired. */
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
		raise_answer("could not list the keys of", reply);
	cursor = reply->element[0];
	found = reply->element[1];
	if (!is_text(cursor) || cursor->len == 0 || cursor->len >= CURSOR_SIZE ||
		strspn(cursor->str, "0123456789") != cursor->len || found->type != REDIS_REPLY_ARRAY)
		raise_answer("could not list the keys of", reply);
	strcpy(retiring_cursor, cursor->str);
	for (size_t n = 0; n < found->elements; n++)
	{
		const redisReply *key = found->element[n];

		if (key->type != REDIS_REPLY_STRING)
			raise_answer("could not list the keys of", reply);
		if (is_text(key) && is_retired(key->str))
			*keys = lappend(*keys, pstrdup(key->str));
	}
}

/*
 * Delete the keys of tokens that are nobody's any more, of the next slice of
 * Redis's. Returns false if there are no such tokens.
 */
static bool
delete_retired_tokens(void)
{
	List	   *keys = NIL;
	ListCell   *cell;

	if (retiring_count == 0 && !begin_retiring())
		return false;
	redis_command(6, (const char *[]) {"SCAN", retiring_cursor, "MATCH", "application:*", "COUNT", "1000"});
	redis_exchange(take_scanned, &keys);
	foreach(cell, keys)
		redis_command(2, (const char *[]) {"DEL", lfirst(cell)});
	redis_exchange(require_written, NULL);
	if (strcmp(retiring_cursor, "0") == 0)
		end_retiring();
	return true;
}

/*
 * Delete the keys of a slice of the chats that were deleted, unless they are
 * there again. Returns false if there are none.
 */
static bool
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

	count = read_counters(&next, &limit, &counters);
	if (count == 0)
		return false;
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
	return true;
}

static void
connect(void)
{
	if (connected_url != NULL && strcmp(connected_url, settings_redis_url) != 0)
		mirror_disconnect();
	if (!redis_connect(settings_redis_url))
		return;
	connected_url = MemoryContextStrdup(TopMemoryContext, settings_redis_url);
	catch_up();
}

/*
 * Do a slice of what there is to do: what changed first, since nothing may be
 * mended before it is pushed. Neither of the two that take long waits for the
 * other. Returns false if there is nothing left.
 */
static bool
do_slice(Pass *pass)
{
	static bool retire_first = false;

	take_changes();
	if (pending != NULL)
		push_slice(pass);
	if (pending != NULL || fill_slice(pass) || mend_suspects(pass) || delete_retired_chats())
		return true;
	retire_first = !retire_first;
	return retire_first ? delete_retired_tokens() || verify_slice(pass) :
		verify_slice(pass) || delete_retired_tokens();
}

/*
 * Whether suspects are to wait for the next pass: so that who has just changed
 * a number is not overtaken on the way to shared memory.
 */
static bool
suspects_wait(void)
{
	return suspect_count > 0 && catching_up == 0;
}

/*
 * Duty: push what changed and, when it is time, verify everything.
 */
long
mirror_run(Pass *pass)
{
	MemoryContext outer = CurrentMemoryContext;
	MemoryContext slice;
	TimestampTz end = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), PASS_BUDGET_MS);
	bool		more;

	if (shared_available())
		shared_listen(*settings_redis_url != '\0');
	if (*settings_redis_url == '\0')
	{
		mirror_disconnect();
		pass->off = true;
		return settings_reconcile_interval * 1000L;
	}

	connect();
	slice = AllocSetContextCreate(outer, "pg_chat slice", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(slice);
	do
	{
		CHECK_FOR_INTERRUPTS();
		MemoryContextReset(slice);
		more = do_slice(pass);
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
mirror_disconnect(void)
{
	redis_disconnect();
	if (connected_url != NULL)
		pfree(connected_url);
	connected_url = NULL;
	if (pending != NULL)
		pfree(pending);
	pending = NULL;
	list_free(fills);
	fills = NIL;
	fill_position = (ChangedChat) {0, 0};
	verifying = false;
	suspect_count = 0;
	caught_up = 0;
	retiring_count = 0;
}
