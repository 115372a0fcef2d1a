/*
 * reads.c
 *		Queries that change nothing.
 *
 * DESIGN
 *
 * Messages are read most, and in batches: while the sessions are busy, queries
 * queue up, and all of one statement then go to a session in one call, which
 * costs the database far less than a call for each. Other reads are pipelined. If
 * a batch fails, or the server skips a read because an earlier one in the
 * pipeline failed, each query is sent again by itself.
 *
 * The queries of all applications take turns. Large reads have a queue of their own and
 * only some of the sessions (see session_pick_large()), one in a call, so that
 * small reads do not wait behind them. The size of a read is not known in advance: it is
 * expected to be large if one of the last ones of the application was, of pages or of
 * single messages. Reads that may scan many more rows than they return are treated like
 * large ones, but for pages, most of which scan what they return.
 *
 * Searches have a pool of their own, with one search at a time per session: a
 * search may be slow, and a read behind it in a pipeline would have to wait.
 * No application has more than half of the sessions, so that the slow searches of one
 * hardly delay those of another. Reads that may scan, pages too, are sent as searches
 * while they are slow for their application (slowness.h).
 *
 * Each pool has queues of its own. A read goes to a standby if there is one (pool_for()), and then
 * to the primary if the standby does not find what it is about, or cannot answer: it may be behind,
 * end, or cancel a statement that is in the way of what it replays.
 *
 * If there is no memory for a batch, its queries stay in the queue.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/settings.h"
#include "db/availability.h"
#include "db/fair_queue.h"
#include "db/parameters.h"
#include "db/reads.h"
#include "db/replay.h"
#include "db/result.h"
#include "db/sessions.h"
#include "db/slowness.h"
#include "metrics/figures.h"

#define BATCH_QUERIES 200		/* in one call, at most */
#define BATCH_ROWS 2000			/* in one call, at most, unless it is a single query */
#define BATCH_BYTES (16 * 1024 * 1024)	/* of pages in one call, at most, plus a row of each */
#define BATCHES_IN_FLIGHT 2		/* per session: one executes while the other is sent */
#define READS_IN_FLIGHT 32		/* per session, of others */
#define SCANS_IN_FLIGHT 8		/* per session, of others that are large or may scan */
#define LARGE_READ (64 * 1024)	/* bytes */
#define LARGE_EXPECTED 32		/* reads after a large one */
#define OWNERS 1024

typedef struct Batch
{
	Operation	operation;
	QueryQueue	queries;
} Batch;

/* The queues of each pool: that of large reads apart. */
static FairQueue queues[POOL_COUNT][2];

/*
 * How many of the next reads of an application are expected to be large: of single rows,
 * of pages. By the hash of its token.
 */
static unsigned char expected_large[OWNERS][2];

static unsigned char *
expected_of(const Query *query)
{
	return &expected_large[text_hash(query->values[0].text, query->values[0].length) % OWNERS][query->max_rows > 1];
}

static bool
is_for_searches(Pool pool)
{
	return pool == POOL_SEARCH || pool == POOL_STANDBY_SEARCH;
}

/* Remembers whether a read was large; those that were sent as searches do not matter. */
static void
note_size(const Query *query, const Rows *rows)
{
	unsigned char *expected = expected_of(query);
	size_t		bytes = 0;

	if (is_for_searches(query->pool))
		return;
	for (int row = 0; row < rows->count; row++)
		for (int column = 0; column < PQnfields(rows->result); column++)
			bytes += PQgetlength(rows->result, rows->first + row, column);
	if (bytes >= LARGE_READ)
		*expected = LARGE_EXPECTED;
	else if (*expected > 0)
		(*expected)--;
}

/* The queue that a read is put into, and is in flight for. */
static FairQueue *
queue_of(const Query *query)
{
	return &queues[query->pool][query->operation.large];
}

static Pool
pool_of(const FairQueue *queue)
{
	return (queue - queues[0]) / 2;
}

/* How many queries of an application may be in flight from a queue. */
static int
bound_of(const FairQueue *queue)
{
	return is_for_searches(pool_of(queue)) ? (settings.searchers + 1) / 2 : INT_MAX;
}

/* The next query of a queue that may be sent; NULL if there is none. */
static Query *
next_of(const FairQueue *queue)
{
	return fair_queue_first(queue, bound_of(queue));
}

static Query *
take_next(FairQueue *queue)
{
	return fair_queue_take(queue, bound_of(queue));
}

/* Is a read to be sent as a search, from now on? */
static bool
is_slow_scan(const Query *query)
{
	return !is_for_searches(query->pool) && statements[query->statement].scans && query_is_slow(query);
}

/* Queues a read where it belongs now. Returns false if there are too many of its application, or out of memory. */
static bool
push_read(Query *query)
{
	const Statement *statement = &statements[query->statement];

	if (is_slow_scan(query))
		query->pool = POOL_IS_STANDBY(query->pool) ? POOL_STANDBY_SEARCH : POOL_SEARCH;
	query->operation.large = !is_for_searches(query->pool) && ((statement->scans && !statement->batch) || *expected_of(query) > 0);
	return fair_queue_add(queue_of(query), query, is_for_searches(query->pool) ? settings.max_queue / 8 + 2 : INT_MAX);
}

/*
 * Notes that a read is no longer in flight, and, unless operation is NULL, for how long that was in
 * flight, which was of so many.
 */
static void
end_read(Query *query, const Operation *operation, int count)
{
	fair_queue_end(queue_of(query), query);
	if (operation && statements[query->statement].scans)
		query_note_time(query, operation, count);
}

/* Chooses the pool of a query. */
static void
choose_pool(Query *query)
{
	if (POOL_IS_STANDBY(query->pool))
		query->pool = POOL_AT_PRIMARY(query->pool);
	if (query->from_primary)
		return;
	query->pool = pool_for(query->statement, query->pool);
	if (settings.database_read && !POOL_IS_STANDBY(query->pool) && statements[query->statement].server == STANDBY_FIRST)
		figures->fallbacks[STANDBY_AWAY]++;
}

void
reads_submit(Query *query)
{
	bool		behind;

	choose_pool(query);
	behind = query->lsn > pool_replayed(query->pool);
	if (!database_ready(query->pool))
		query_refuse(query, database_unavailable());
	else if (!query_may_wait(query, 1, behind ? replay_count() : queues[query->pool][0].count + queues[query->pool][1].count))
		query_refuse(query, "The server is busy.");
	else if (behind)
		replay_wait(query);
	else if (!push_read(query))
		query_refuse(query, "The server is busy.");
}

/* Queues a read again that was not executed because another failed, to be sent by itself. */
static void
read_again(Query *query)
{
	query->operation.alone = true;
	if (!push_read(query))
		query_refuse(query, "The server is busy.");
}

/* May the primary know better, if this is a standby's error? NULL: its session has ended. */
static bool
is_of_standby(const PGresult *result)
{
	const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);

	return sqlstate == NULL || strcmp(sqlstate, NO_SUCH_ROW) == 0 || strncmp(sqlstate, "40", 2) == 0 ||
		strncmp(sqlstate, "57P0", 4) == 0 || result_is_stale(result);
}

/* Has the primary answer a read that a standby did not. Returns false if it was asked already. */
static bool
ask_primary(Query *query)
{
	if (!POOL_IS_STANDBY(query->pool))
		return false;
	query->from_primary = true;
	figures->fallbacks[STANDBY_FAILED]++;
	reads_submit(query);
	return true;
}

/* Ends a read that has failed, unless the primary may answer it. */
static void
fail(Query *query, const PGresult *result)
{
	if (!is_of_standby(result) || !ask_primary(query))
		query_fail(query, result);
}

static void
read_done(Operation *operation, const PGresult *result)
{
	Query	   *query = query_of(operation);

	if (PQresultStatus(result) == PGRES_PIPELINE_ABORTED)
	{
		end_read(query, NULL, 1);
		read_again(query);
		return;
	}
	end_read(query, result ? operation : NULL, 1);
	if (PQresultStatus(result) != PGRES_TUPLES_OK)
	{
		fail(query, result);
		return;
	}
	/* A single row that is not there. */
	if (query->max_rows == 1 && PQntuples(result) == 0 && ask_primary(query))
		return;
	note_size(query, &(Rows) {.result = result, .count = PQntuples(result)});
	query_finish(query, result);
}

/* Ends the batch's queries, each with its own rows. */
static void
batch_succeed(Batch *batch, const PGresult *result)
{
	Rows		rows = {.result = result};
	int			item_column = PQnfields(result) - 1;
	int			count = batch->queries.count;
	Query	   *query;

	for (int item = 1; (query = query_pop(&batch->queries)) != NULL; item++)
	{
		rows.first += rows.count;
		rows.count = 0;
		while (rows.first + rows.count < PQntuples(result) &&
			   rows_number(&rows, rows.count, item_column) == item)
			rows.count++;
		end_read(query, &batch->operation, count);
		note_size(query, &rows);
		if (rows.count > 0)
			query->succeeded(query, &rows);
		else if (!ask_primary(query))
			query->failed(query, &(Failure) {.sqlstate = NO_SUCH_ROW, .message = "not found"});
	}
}

static void
batch_done(Operation *operation, const PGresult *result)
{
	Batch	   *batch = (Batch *) operation;
	bool		again = result && !operation->alone;
	int			count = batch->queries.count;
	Query	   *query;

	if (PQresultStatus(result) == PGRES_TUPLES_OK)
		batch_succeed(batch, result);
	while ((query = query_pop(&batch->queries)) != NULL)
	{
		end_read(query, result ? operation : NULL, count);
		if (again)
			read_again(query);
		else
			fail(query, result);
	}
	free(batch);
}

/*
 * Takes queries of the same statement as the next one of a queue: one that is large or slow,
 * else as many as a call may have that a session may answer. NULL if out of memory.
 */
static Batch *
batch_fill(FairQueue *queue, const Session *session)
{
	Batch	   *batch = calloc(1, sizeof(Batch));
	const Query *next = next_of(queue);
	StatementId statement = next->statement;
	int			rows = 0;

	if (batch == NULL)
		return NULL;
	batch->operation.done = batch_done;
	batch->operation.alone = next->operation.alone || is_for_searches(next->pool);
	batch->operation.large = next->operation.large;
	do
	{
		Query	   *query = take_next(queue);

		rows += query->max_rows;
		query_push(&batch->queries, query);
		next = next_of(queue);
	}
	while (!batch->operation.alone && !batch->operation.large && batch->queries.count < BATCH_QUERIES &&
		   next && next->statement == statement && !next->operation.alone && !is_slow_scan(next) &&
		   (next->lsn <= session->replayed || !POOL_IS_STANDBY(session->pool)) &&
		   rows + next->max_rows <= BATCH_ROWS);
	return batch;
}

/* The bytes that each page of a batch may have. */
static int
page_bytes(const Batch *batch)
{
	int			share = BATCH_BYTES / batch->queries.count;

	return share < PAGE_BYTES ? share : PAGE_BYTES;
}

static void
batch_send(Session *session, Batch *batch)
{
	static Array arrays[QUERY_VALUES];
	const Query *first = batch->queries.first;
	const char *values[QUERY_VALUES + 1];
	int			lengths[QUERY_VALUES + 1];
	int			formats[QUERY_VALUES + 1];
	char		max_size[16];
	char		label[LABEL_SIZE];
	Parameters	parameters = {first->count, values, lengths, formats, 0, queries_label(first, label)};
	bool		complete = true;

	for (int i = 0; i < first->count; i++)
	{
		bool		is_text = first->values[i].text != NULL;

		array_begin(&arrays[i], is_text ? ARRAY_OF_TEXTS : ARRAY_OF_INTEGERS, batch->queries.count);
		for (Query *query = batch->queries.first; query; query = query->next)
		{
			const QueryValue *value = &query->values[i];

			if (is_text)
				array_add_text(&arrays[i], value->text, value->length);
			else
				array_add_number(&arrays[i], value->number);
		}
		complete = complete && array_is_complete(&arrays[i]);
		values[i] = arrays[i].bytes;
		lengths[i] = (int) arrays[i].used;
		formats[i] = 1;
	}
	if (statements[first->statement].batch == BATCH_OF_PAGES)
	{
		snprintf(max_size, sizeof(max_size), "%d", page_bytes(batch));
		values[parameters.count] = max_size;
		formats[parameters.count++] = 0;
	}
	histogram_add(&figures->batches[session->pool], size_bounds, batch->queries.count, 1);
	if (complete)
		session_send(session, &batch->operation, first->statement, &parameters);
	else
		batch_done(&batch->operation, NULL);
}

/* Puts the next read of a queue, which turns out to be slow, among the searches. */
static void
move_next(FairQueue *queue)
{
	Query	   *query = take_next(queue);

	fair_queue_end(queue, query);
	if (!push_read(query))
		query_refuse(query, "The server is busy.");
}

/* The session for a read; NULL if it has to wait. */
static Session *
session_for(const Query *query)
{
	bool		is_batch = statements[query->statement].batch;

	if (is_for_searches(query->pool))
		return session_pick(query->pool, query->lsn, 1);
	if (query->operation.large)
		return session_pick_large(query->pool, query->lsn, is_batch ? BATCHES_IN_FLIGHT : SCANS_IN_FLIGHT);
	return session_pick(query->pool, query->lsn, is_batch ? BATCHES_IN_FLIGHT : READS_IN_FLIGHT);
}

/* Submits the next query of a queue once more, since its pool cannot answer it any more. */
static void
submit_again(FairQueue *queue, int bound)
{
	Query	   *query = fair_queue_take(queue, bound);

	fair_queue_end(queue, query);
	reads_submit(query);
}

/* Sends the next read of a queue, or a batch of its kind. Returns false if it has to wait. */
static bool
dispatch_next(FairQueue *queue)
{
	const Query *next = next_of(queue);
	Session    *session;
	Batch	   *batch;

	if (next == NULL)
		return false;
	if (next->lsn > pool_replayed(next->pool))
	{
		submit_again(queue, bound_of(queue));
		return true;
	}
	if (is_slow_scan(next))
	{
		move_next(queue);
		return true;
	}
	session = session_for(next);
	if (session == NULL)
		return false;
	if (!statements[next->statement].batch)
	{
		query_send(session, take_next(queue), read_done);
		return true;
	}
	batch = batch_fill(queue, session);
	if (batch)
		batch_send(session, batch);
	return batch != NULL;
}

static void
dispatch(FairQueue *queue, Pool pool)
{
	while (queue->count > 0 && !database_ready(pool))
		submit_again(queue, INT_MAX);
	while (queue->count > 0 && dispatch_next(queue))
		;
}

void
reads_dispatch(void)
{
	replay_run(reads_submit);
	/* Those at standbys first, which may leave some for the primary. */
	for (Pool pool = POOL_COUNT - 1; pool >= POOL_READ; pool--)
		for (int large = 0; large < 2; large++)
			dispatch(&queues[pool][large], pool);
	/* Those that have turned out to be slow. */
	dispatch(&queues[POOL_STANDBY_SEARCH][0], POOL_STANDBY_SEARCH);
	dispatch(&queues[POOL_SEARCH][0], POOL_SEARCH);
	figures->queued[QUEUE_OF_READS] = queues[POOL_READ][0].count + queues[POOL_STANDBY_READ][0].count;
	figures->queued[QUEUE_OF_LARGE_READS] = queues[POOL_READ][1].count + queues[POOL_STANDBY_READ][1].count;
	figures->queued[QUEUE_OF_SEARCHES] = queues[POOL_SEARCH][0].count + queues[POOL_STANDBY_SEARCH][0].count;
}

void
reads_tick(void)
{
	for (Pool pool = POOL_READ; pool < POOL_COUNT; pool++)
		for (int large = 0; large < 2; large++)
			fair_queue_expire(&queues[pool][large]);
}
