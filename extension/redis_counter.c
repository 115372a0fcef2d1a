/*
 * redis_counter.c
 *	  Counters and their keys in Redis: read from the tables, written to Redis,
 *	  and asked for there.
 *
 * Each is done for a slice of counters at most. What is returned is in the
 * current memory context.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"

#include "reconcile.h"
#include "redis.h"
#include "redis_counter.h"
#include "worker.h"

/*
 * Read counters with a statement, in a transaction of its own; they outlive
 * it.
 */
int
redis_counters_read(SavedPlan *plan, const Datum *values, RedisCounter **counters)
{
	MemoryContext context = CurrentMemoryContext;
	MemoryContext inner;
	uint64		count;

	worker_begin("reading counters for Redis");
	count = plan_modify(plan, values, NULL);
	inner = MemoryContextSwitchTo(context);
	*counters = palloc0((count + 1) * sizeof(RedisCounter));
	for (uint64 row = 0; row < count; row++)
	{
		RedisCounter *counter = &(*counters)[row];

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
RedisCounter **
redis_counters_list(RedisCounter *counters, int count)
{
	RedisCounter **list = palloc((count + 1) * sizeof(RedisCounter *));

	for (int i = 0; i < count; i++)
		list[i] = &counters[i];
	return list;
}

/* The counters of these parents, in their order; those of applications that are gone are left out. */
int
redis_counters_of(const ChangedChat *parents, int count, RedisCounter **counters)
{
	static SavedPlan plan = SAVED_PLAN(
		"SELECT k.application_id, k.number, a.token,"
		" CASE WHEN k.number OPERATOR(pg_catalog.=) 0"
		" THEN COALESCE((SELECT last_chat_number FROM chat.application_counters"
		" WHERE application_id OPERATOR(pg_catalog.=) k.application_id), 0)"
		" ELSE (SELECT last_number FROM chat.chats"
		" WHERE application_id OPERATOR(pg_catalog.=) k.application_id"
		" AND number OPERATOR(pg_catalog.=) k.number) END"
		" FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2)) WITH ORDINALITY"
		" AS k (application_id, number, position)"
		" JOIN chat.applications AS a ON a.id OPERATOR(pg_catalog.=) k.application_id"
		" ORDER BY k.position",
		INT4ARRAYOID, INT4ARRAYOID);
	Datum		values[2];

	reconcile_keys(parents, count, values);
	return redis_counters_read(&plan, values, counters);
}

int
redis_counters_after(ChangedChat position, RedisCounter **counters)
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
		Int32GetDatum(position.application), Int32GetDatum(position.chat), Int64GetDatum(REDIS_COUNTERS_SLICE)
	};

	return redis_counters_read(&plan, values, counters);
}

/*
 * Write counters, at most a slice: one command for those that are there, and
 * one to delete the keys of those that are gone.
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

/* Counters whose values Redis is asked for. */
typedef struct Question
{
	RedisCounter **counters;
	int			count;
} Question;

/* Take the values of the keys that were asked for. */
static void
take_answers(int i, const redisReply *reply, void *context)
{
	const Question *question = context;

	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != question->count)
		redis_raise_answer("could not read counters from", reply);
	for (int n = 0; n < question->count; n++)
	{
		const redisReply *element = reply->element[n];
		int64	   *answer = &question->counters[n]->answer;
		char	   *end;

		*answer = ANSWER_MISSING;
		if (element->type == REDIS_REPLY_NIL)
			continue;
		*answer = ANSWER_WRONG;
		if (!redis_is_text(element) || !isdigit((unsigned char) *element->str))
			continue;
		errno = 0;
		*answer = strtoll(element->str, &end, 10);
		if (errno != 0 || *end != '\0')
			*answer = ANSWER_WRONG;
	}
}

/* Ask Redis for the values of counters. */
void
redis_counters_ask(RedisCounter **counters, int count)
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
