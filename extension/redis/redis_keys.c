/*
 * redis_keys.c
 *	  Counters and their keys in Redis: reading them from the tables, writing
 *	  them to Redis, and reading them there.
 *
 * Each function processes a slice of counters at most. Results are in the
 * current memory context.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"

#include "bgworker/worker_xact.h"
#include "common/int_columns.h"
#include "common/spi_plan.h"
#include "redis/redis_answer.h"
#include "redis/redis_connection.h"
#include "redis/redis_keys.h"

/* The digits of the highest number, 2147483647. */
#define ANSWER_DIGITS_MAX 10

/* Set the name of a counter's key, by its parent and token. */
static void
name_key(RedisCounter *counter)
{
	if (counter->parent.chat == 0)
		counter->key = psprintf("application:%s:number", counter->token);
	else
		counter->key = psprintf("application:%s:chat:%d:number", counter->token, counter->parent.chat);
}

/*
 * The counters in SPI_tuptable, from its columns application_id, chat_number,
 * token and last_number, which is null if the chat is gone. Returns an array of
 * SPI_processed counters, in context.
 */
RedisCounter *
redis_counters_of_result(MemoryContext context)
{
	uint64		count = SPI_processed;
	int			application = spi_column("application_id");
	int			chat = spi_column("chat_number");
	int			token = spi_column("token");
	int			last_number = spi_column("last_number");
	MemoryContext inner = MemoryContextSwitchTo(context);
	RedisCounter *counters = palloc0((count + 1) * sizeof(RedisCounter));

	for (uint64 row = 0; row < count; row++)
	{
		RedisCounter *counter = &counters[row];

		counter->token = spi_result_string(row, token, NULL);
		counter->parent = (ChatKey) {spi_result_int32(row, application), spi_result_int32(row, chat)};
		counter->value = DatumGetInt32(spi_result(row, last_number, INT4OID, &counter->gone));
		name_key(counter);
	}
	MemoryContextSwitchTo(inner);
	return counters;
}

/* A list of pointers to counters. */
RedisCounter **
redis_counters_list(RedisCounter *counters, int count)
{
	RedisCounter **list = palloc((count + 1) * sizeof(RedisCounter *));

	for (int i = 0; i < count; i++)
		list[i] = &counters[i];
	return list;
}

/* An application, and its own counter. */
typedef struct Application
{
	int32		id;
	char	   *token;
	int32		last_chat_number;
} Application;

/*
 * Read the applications of parents, which are in ascending order; applications
 * that are gone are left out. The result is in ascending order, too, and in
 * context.
 */
static int
read_applications(const ChatKey *parents, int count, MemoryContext context,
				  Application **applications)
{
	static SavedPlan plan = SAVED_PLAN(
		"SELECT a.id, a.token, COALESCE(c.last_chat_number, 0) AS last_chat_number"
		" FROM unnest($1) AS k (id),"
		" LATERAL (SELECT a.id, a.token FROM chat.applications AS a WHERE a.id = k.id AND a.deleted_at IS NULL LIMIT 1) AS a"
		" LEFT JOIN LATERAL (SELECT c.last_chat_number FROM chat.application_counters AS c"
		" WHERE c.application_id = a.id LIMIT 1) AS c ON true"
		" ORDER BY a.id",
		INT4ARRAYOID);
	IntColumns	ids;
	Datum		value;
	uint64		found;
	MemoryContext inner;

	int_columns_init(&ids, 1, count);
	for (int i = 0; i < count; i++)
		if (i == 0 || parents[i].application != parents[i - 1].application)
			int_columns_append(&ids, &parents[i].application);
	int_columns_to_arrays(&ids, &value);
	found = spi_plan_read(&plan, &value);

	inner = MemoryContextSwitchTo(context);
	*applications = palloc((found + 1) * sizeof(Application));
	for (uint64 row = 0; row < found; row++)
		(*applications)[row] = (Application) {
			spi_result_int32(row, spi_column("id")),
			spi_result_string(row, spi_column("token"), NULL),
			spi_result_int32(row, spi_column("last_chat_number"))
		};
	MemoryContextSwitchTo(inner);
	return found;
}

/*
 * If at least one in so many chats of a slice changed, it is read as a range: a
 * row then takes a quarter of the work of a lookup.
 */
#define RANGE_PER_CHANGE 3

/*
 * Read the chats of parents, which are in ascending order, and perhaps others
 * between them. Returns the number of rows of SPI_tuptable, which are in
 * ascending order, too.
 */
static uint64
read_chats(const ChatKey *parents, int count)
{
	static SavedPlan by_key = SAVED_PLAN(
		"SELECT c.application_id, c.number, c.last_message_number"
		" FROM ROWS FROM (unnest($1), unnest($2)) AS k (application_id, number),"
		" LATERAL (SELECT c.application_id, c.number, c.last_message_number FROM chat.chats AS c"
		" WHERE c.application_id = k.application_id AND c.number = k.number AND c.deleted_at IS NULL LIMIT 1) AS c"
		" ORDER BY c.application_id, c.number",
		INT4ARRAYOID, INT4ARRAYOID);
	static SavedPlan by_range = SAVED_PLAN(
		"SELECT application_id, number, last_message_number FROM chat.chats"
		" WHERE application_id = $1 AND number >= $2 AND number <= $3 AND deleted_at IS NULL"
		" ORDER BY application_id, number",
		INT4OID, INT4OID, INT4OID);
	const ChatKey *first = &parents[0];
	const ChatKey *last = &parents[count - 1];
	Datum		values[3];

	if (first->application == last->application &&
		(int64) last->chat - first->chat < (int64) count * RANGE_PER_CHANGE)
	{
		values[0] = Int32GetDatum(first->application);
		values[1] = Int32GetDatum(first->chat);
		values[2] = Int32GetDatum(last->chat);
		return spi_plan_read(&by_range, values);
	}
	chat_keys_to_arrays(parents, count, values);
	return spi_plan_read(&by_key, values);
}

/* The rows of chats in SPI_tuptable, in ascending order, and the next one to look at. */
typedef struct ChatRows
{
	uint64		row;
	uint64		count;
	int			application;	/* columns */
	int			chat;
	int			last_number;
} ChatRows;

static ChatRows
chat_rows(uint64 count)
{
	return (ChatRows) {
		.count = count,
		.application = spi_column("application_id"),
		.chat = spi_column("number"),
		.last_number = spi_column("last_message_number")
	};
}

/*
 * Advance to the row of a parent, each parent being above the one before.
 * Returns false if it has none.
 */
static bool
find_row(ChatRows *rows, ChatKey parent)
{
	for (; rows->row < rows->count; rows->row++)
	{
		ChatKey		found = {
			spi_result_int32(rows->row, rows->application), spi_result_int32(rows->row, rows->chat)
		};
		int			order = chat_key_compare(found, parent);

		if (order >= 0)
			return order == 0;
	}
	return false;
}

/*
 * Read the counters of these parents, which are in ascending order; those of
 * applications that are gone are left out. Applications and chats are read with
 * one snapshot. Returns their number. Called for all changes: the applications,
 * mostly few, are looked up once each, and not once for each chat.
 */
int
redis_counters_of(const ChatKey *parents, int count, RedisCounter **counters)
{
	MemoryContext context = CurrentMemoryContext;
	MemoryContext inner;
	Application *applications;
	int			application_count;
	ChatRows	rows;
	int			found = 0;

	*counters = palloc0((count + 1) * sizeof(RedisCounter));
	worker_xact_begin("reading counters for Redis");
	application_count = read_applications(parents, count, context, &applications);
	rows = chat_rows(read_chats(parents, count));
	inner = MemoryContextSwitchTo(context);
	for (int i = 0, a = 0; i < count; i++)
	{
		RedisCounter *counter = &(*counters)[found];

		while (a < application_count && applications[a].id < parents[i].application)
			a++;
		if (a == application_count || applications[a].id != parents[i].application)
			continue;
		counter->parent = parents[i];
		counter->token = applications[a].token;
		if (parents[i].chat == 0)
			counter->value = applications[a].last_chat_number;
		else if (find_row(&rows, parents[i]))
			counter->value = spi_result_int32(rows.row, rows.last_number);
		else
			counter->gone = true;
		name_key(counter);
		found++;
	}
	MemoryContextSwitchTo(inner);
	worker_xact_commit();
	return found;
}

/* A condition: the application was not deleted. */
#define NOT_DELETED \
	"application_id <> ALL (ARRAY(SELECT d.id FROM chat.applications AS d WHERE d.deleted_at IS NOT NULL))"

/*
 * Read the first counters after a position, in the order of their parents, at
 * most REDIS_COUNTERS_SLICE. Returns their number.
 */
int
redis_counters_after(ChatKey position, RedisCounter **counters)
{
	static SavedPlan plan = SAVED_PLAN(
		"SELECT k.application_id, k.chat_number, a.token, k.last_number FROM"
		" (SELECT * FROM ((SELECT application_id, number AS chat_number, last_message_number AS last_number"
		" FROM chat.chats WHERE (application_id, number) > ($1, $2) AND deleted_at IS NULL AND " NOT_DELETED
		" ORDER BY application_id, number LIMIT $3)"
		" UNION ALL (SELECT application_id, 0, last_chat_number FROM chat.application_counters"
		" WHERE application_id > $1 AND " NOT_DELETED " ORDER BY application_id LIMIT $3)) AS u"
		" ORDER BY application_id, chat_number LIMIT $3) AS k,"
		" LATERAL (SELECT a.token FROM chat.applications AS a WHERE a.id = k.application_id LIMIT 1) AS a"
		" ORDER BY k.application_id, k.chat_number",
		INT4OID, INT4OID, INT8OID);
	Datum		values[3] = {
		Int32GetDatum(position.application), Int32GetDatum(position.chat), Int64GetDatum(REDIS_COUNTERS_SLICE)
	};
	MemoryContext context = CurrentMemoryContext;
	int			count;

	worker_xact_begin("reading counters for Redis");
	count = spi_plan_read_fresh(&plan, values);
	*counters = redis_counters_of_result(context);
	worker_xact_commit();
	return count;
}

/*
 * Write counters, at most a slice: by one command those that exist, and by
 * another delete the keys of those that are gone. Raises 08006.
 */
void
redis_counters_write(RedisCounter **counters, int count)
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
	redis_exchange(redis_require_written, NULL);
}

/* The number of a value, or ANSWER_...; only the form that we write counts as a number. */
static int64
parse_answer(const redisReply *reply)
{
	const char *text = reply->str;

	if (reply->len == 0)
		return ANSWER_MISSING;
	if (reply->len > ANSWER_DIGITS_MAX || strspn(text, "0123456789") != reply->len ||
		(*text == '0' && reply->len > 1))
		return ANSWER_WRONG;
	return strtoll(text, NULL, 10);
}

/* Take the value of the i-th key. */
static void
take_answer(int i, const redisReply *reply, void *context)
{
	RedisCounter **counters = context;

	if (reply->type == REDIS_REPLY_STRING)
		counters[i]->answer = parse_answer(reply);
	else if (reply->type == REDIS_REPLY_ERROR && strncmp(reply->str, "WRONGTYPE ", 10) == 0)
		counters[i]->answer = ANSWER_WRONG;
	else
		redis_raise_answer("could not read counters from", reply);
}

/*
 * Read the values of counters from Redis. Of each value, which somebody may
 * have made as large as they like, at most one character more than a number
 * has. Raises 08006.
 */
void
redis_counters_ask(RedisCounter **counters, int count)
{
	for (int i = 0; i < count; i++)
		redis_command(4, (const char *[]) {"GETRANGE", counters[i]->key, "0",
										   CppAsString2(ANSWER_DIGITS_MAX)});
	redis_exchange(take_answer, counters);
}
