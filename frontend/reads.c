/*
 * reads.c
 *		Queries that change nothing, over a few sessions.
 *
 * DESIGN
 *
 * Messages are what is read most, and they are read in batches: while a session
 * works, requests queue up, and then all of one kind go to it in one call,
 * which costs the database far less than a call for each. Other reads are
 * pipelined. A batch that fails, and a read that the server skipped because one
 * before it in the pipeline failed, say nothing of a single request: each of
 * them is sent once more, alone.
 *
 * Searches have a lane of their own, one at a time on each session, since one
 * may be slow and a read that follows it in a pipeline has to wait.
 */
#include <stdlib.h>
#include <string.h>

#include "array.h"
#include "log.h"
#include "query.h"
#include "reads.h"
#include "response.h"
#include "settings.h"

#define BATCH_REQUESTS 200		/* at most, in one call */
#define BATCH_ROWS 2000			/* at most, unless it is one request */
#define BATCHES_IN_FLIGHT 2		/* on a session: one is made while the other is sent */

typedef struct Batch
{
	Operation	operation;
	RequestQueue requests;
} Batch;

static const int depths[LANE_COUNT] = {[LANE_READ] = 32, [LANE_SEARCH] = 1};
static RequestQueue queues[LANE_COUNT];

void
reads_submit(Request *request, Lane lane)
{
	request->work.lane = lane;
	if (!database_ready(lane))
		answer_unavailable(request, database_unavailable());
	else if (queues[lane].count >= settings.max_queue)
		answer_unavailable(request, "The server is busy.");
	else
		queue_push(&queues[lane], request);
}

/* Queues a read again, alone, that another's failure kept from being executed. */
static void
read_again(Request *request)
{
	request->work.operation.alone = true;
	queue_push(&queues[request->work.lane], request);
}

static void
read_done(Operation *operation, const PGresult *result)
{
	Request    *request = query_request(operation);

	if (PQresultStatus(result) == PGRES_PIPELINE_ABORTED)
		read_again(request);
	else
		query_finish(request, result);
}

/* Answers the batch's requests, each with its own rows. */
static void
batch_answer(Batch *batch, const PGresult *result)
{
	Rows		rows = {.result = result};
	int			item_column = PQnfields(result) - 1;
	Request    *request;

	for (int item = 1; (request = queue_pop(&batch->requests)) != NULL; item++)
	{
		rows.first += rows.count;
		rows.count = 0;
		while (rows.first + rows.count < PQntuples(result) &&
			   rows_number(&rows, rows.count, item_column) == item)
			rows.count++;
		if (rows.count == 0)
		{
			request->work.missing(request);
			request_resume(request);
		}
		else if (PQgetisnull(result, rows.first, 0))
			query_answer(request, &(Rows) {.result = result});
		else
			query_answer(request, &rows);
	}
}

static void
batch_done(Operation *operation, const PGresult *result)
{
	Batch	   *batch = (Batch *) operation;
	bool		again = result && !operation->alone;
	Request    *request;

	if (PQresultStatus(result) == PGRES_TUPLES_OK)
		batch_answer(batch, result);
	while ((request = queue_pop(&batch->requests)) != NULL)
	{
		if (again)
			read_again(request);
		else
			query_fail(request, result);
	}
	free(batch);
}

/* Takes requests of one kind from the front of a queue. */
static Batch *
batch_fill(RequestQueue *queue)
{
	Batch	   *batch = calloc(1, sizeof(Batch));
	StatementId statement = queue->first->work.statement;
	int			rows = 0;

	if (batch == NULL)
	{
		log_event("out of memory");
		abort();
	}
	batch->operation.done = batch_done;
	do
	{
		Request    *request = queue_pop(queue);

		rows += request->work.rows;
		batch->operation.alone = request->work.operation.alone;
		queue_push(&batch->requests, request);
	}
	while (!batch->operation.alone && batch->requests.count < BATCH_REQUESTS &&
		   queue->first && queue->first->work.statement == statement &&
		   !queue->first->work.operation.alone && rows + queue->first->work.rows <= BATCH_ROWS);
	return batch;
}

static void
batch_send(Session *session, Batch *batch)
{
	static Array arrays[QUERY_VALUES];
	const Query *first = &batch->requests.first->work;
	const char *values[QUERY_VALUES];
	int			lengths[QUERY_VALUES];
	int			formats[QUERY_VALUES];
	Parameters	parameters = {first->count, values, lengths, formats, 0};

	for (int i = 0; i < first->count; i++)
	{
		bool		is_text = first->values[i].text != NULL;

		array_begin(&arrays[i], is_text ? ARRAY_OF_TEXTS : ARRAY_OF_INTEGERS, batch->requests.count);
		for (Request *request = batch->requests.first; request; request = request->next)
		{
			const QueryValue *value = &request->work.values[i];

			if (is_text)
				array_add_text(&arrays[i], value->text, strlen(value->text));
			else
				array_add_number(&arrays[i], value->number);
		}
		values[i] = arrays[i].bytes;
		lengths[i] = (int) arrays[i].used;
		formats[i] = 1;
	}
	session_send(session, &batch->operation, first->statement, &parameters);
}

/* Sends the first of a queue, or all of its kind. Returns false if it has to wait. */
static bool
dispatch(Lane lane)
{
	RequestQueue *queue = &queues[lane];
	bool		batch = statements[queue->first->work.statement].batch;
	Session    *session = database_session(lane, batch ? BATCHES_IN_FLIGHT : depths[lane]);

	if (session == NULL)
		return false;
	if (batch)
		batch_send(session, batch_fill(queue));
	else
		query_send(session, queue_pop(queue), read_done);
	return true;
}

void
reads_turn(void)
{
	for (Lane lane = LANE_READ; lane <= LANE_SEARCH; lane++)
	{
		if (queues[lane].first && !database_ready(lane))
			queue_expire(&queues[lane], true);
		while (queues[lane].first && dispatch(lane))
			;
	}
}

void
reads_tick(void)
{
	queue_expire(&queues[LANE_READ], false);
	queue_expire(&queues[LANE_SEARCH], false);
}
