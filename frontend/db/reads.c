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
 * pipeline failed, that says nothing about a single query: each is sent again,
 * alone.
 *
 * Searches have a lane of their own, with one search at a time per session: a
 * search may be slow, and a read behind it in a pipeline would have to wait.
 */
#include <stdlib.h>

#include "common/log.h"
#include "common/settings.h"
#include "db/parameters.h"
#include "db/reads.h"

#define BATCH_QUERIES 200		/* in one call, at most */
#define BATCH_ROWS 2000			/* in one call, at most, unless it is one query */
#define BATCHES_IN_FLIGHT 2		/* per session: one executes while the other is sent */

typedef struct Batch
{
	Operation	operation;
	QueryQueue	queries;
} Batch;

static const int depths[LANE_COUNT] = {[LANE_READ] = 32, [LANE_SEARCH] = 1};
static QueryQueue queues[LANE_COUNT];

void
reads_submit(Query *query)
{
	Lane		lane = query->lane;

	if (!database_ready(lane))
		query_refuse(query, "The database is not available.");
	else if (queues[lane].count >= settings.max_queue)
		query_refuse(query, "The server is busy.");
	else
		query_push(&queues[lane], query);
}

/* Queues a read, which was not executed because another failed, to be sent alone. */
static void
read_again(Query *query)
{
	query->operation.alone = true;
	query_push(&queues[query->lane], query);
}

static void
read_done(Operation *operation, const PGresult *result)
{
	Query	   *query = query_of(operation);

	if (PQresultStatus(result) == PGRES_PIPELINE_ABORTED)
		read_again(query);
	else
		query_finish(query, result);
}

/* Ends the batch's queries, each with its own rows. */
static void
batch_succeed(Batch *batch, const PGresult *result)
{
	Rows		rows = {.result = result};
	int			item_column = PQnfields(result) - 1;
	Query	   *query;

	for (int item = 1; (query = query_pop(&batch->queries)) != NULL; item++)
	{
		rows.first += rows.count;
		rows.count = 0;
		while (rows.first + rows.count < PQntuples(result) &&
			   rows_number(&rows, rows.count, item_column) == item)
			rows.count++;
		if (rows.count == 0)
			query->failed(query, &(Failure) {.sqlstate = NO_SUCH_ROW, .message = "not found"});
		else if (PQgetisnull(result, rows.first, 0))
			query->succeeded(query, &(Rows) {.result = result});
		else
			query->succeeded(query, &rows);
	}
}

static void
batch_done(Operation *operation, const PGresult *result)
{
	Batch	   *batch = (Batch *) operation;
	bool		again = result && !operation->alone;
	Query	   *query;

	if (PQresultStatus(result) == PGRES_TUPLES_OK)
		batch_succeed(batch, result);
	while ((query = query_pop(&batch->queries)) != NULL)
	{
		if (again)
			read_again(query);
		else
			query_fail(query, result);
	}
	free(batch);
}

/* Takes queries of one statement from the front of a queue. */
static Batch *
batch_fill(QueryQueue *queue)
{
	Batch	   *batch = calloc(1, sizeof(Batch));
	StatementId statement = queue->first->statement;
	int			rows = 0;

	if (batch == NULL)
	{
		log_event("out of memory");
		abort();
	}
	batch->operation.done = batch_done;
	do
	{
		Query	   *query = query_pop(queue);

		rows += query->max_rows;
		batch->operation.alone = query->operation.alone;
		query_push(&batch->queries, query);
	}
	while (!batch->operation.alone && batch->queries.count < BATCH_QUERIES &&
		   queue->first && queue->first->statement == statement &&
		   !queue->first->operation.alone && rows + queue->first->max_rows <= BATCH_ROWS);
	return batch;
}

static void
batch_send(Session *session, Batch *batch)
{
	static Array arrays[QUERY_VALUES];
	const Query *first = batch->queries.first;
	const char *values[QUERY_VALUES];
	int			lengths[QUERY_VALUES];
	int			formats[QUERY_VALUES];
	Parameters	parameters = {first->count, values, lengths, formats, 0};

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
		values[i] = arrays[i].bytes;
		lengths[i] = (int) arrays[i].used;
		formats[i] = 1;
	}
	session_send(session, &batch->operation, first->statement, &parameters);
}

/* Sends the first query, or a batch of its kind. Returns false if no session is free. */
static bool
dispatch(Lane lane)
{
	QueryQueue *queue = &queues[lane];
	bool		batch = statements[queue->first->statement].batch;
	Session    *session = session_pick(lane, batch ? BATCHES_IN_FLIGHT : depths[lane]);

	if (session == NULL)
		return false;
	if (batch)
		batch_send(session, batch_fill(queue));
	else
		query_send(session, query_pop(queue), read_done);
	return true;
}

void
reads_dispatch(void)
{
	for (Lane lane = LANE_READ; lane <= LANE_SEARCH; lane++)
	{
		if (queues[lane].first && !database_ready(lane))
			queries_expire(&queues[lane], true);
		while (queues[lane].first && dispatch(lane))
			;
	}
}

void
reads_tick(void)
{
	queries_expire(&queues[LANE_READ], false);
	queries_expire(&queues[LANE_SEARCH], false);
}
