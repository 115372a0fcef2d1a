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
 * Searches have a pool of their own, with one search at a time per session: a
 * search may be slow, and a read behind it in a pipeline would have to wait.
 * Applications take turns, and none has more than half of the sessions, so that
 * the slow searches of one delay those of another by little.
 *
 * Without memory for a batch its queries stay in the queue.
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/settings.h"
#include "db/fair_queue.h"
#include "db/parameters.h"
#include "db/reads.h"

#define BATCH_QUERIES 200		/* in one call, at most */
#define BATCH_ROWS 2000			/* in one call, at most, unless it is one query */
#define BATCH_BYTES (16 * 1024 * 1024)	/* of pages in one call, at most, but for a row of each */
#define BATCHES_IN_FLIGHT 2		/* per session: one executes while the other is sent */
#define READS_IN_FLIGHT 32		/* per session */

typedef struct Batch
{
	Operation	operation;
	QueryQueue	queries;
} Batch;

static QueryQueue reads;
static FairQueue searches;

static void
push_read(Query *query)
{
	query_begin_wait(query);
	query_push(&reads, query);
}

static Query *
pop_read(void)
{
	Query	   *query = query_pop(&reads);

	query_end_wait(query);
	return query;
}

void
reads_submit(Query *query)
{
	bool		search = query->pool == POOL_SEARCH;

	if (!database_ready(query->pool))
		query_refuse(query, database_unavailable());
	else if (!query_may_wait(query, search ? searches.waiting.count : reads.count) ||
			 (search && !fair_queue_add(&searches, query, settings.max_queue / 8 + 2)))
		query_refuse(query, "The server is busy.");
	else if (!search)
		push_read(query);
}

/* Queues a read, which was not executed because another failed, to be sent alone. */
static void
read_again(Query *query)
{
	query->operation.alone = true;
	push_read(query);
}

static void
search_done(Operation *operation, const PGresult *result)
{
	Query	   *query = query_of(operation);

	fair_queue_end(&searches, query);
	query_finish(query, result);
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

/* Takes queries of one statement from the front of the queue; NULL without memory. */
static Batch *
batch_fill(void)
{
	Batch	   *batch = calloc(1, sizeof(Batch));
	StatementId statement = reads.first->statement;
	int			rows = 0;

	if (batch == NULL)
		return NULL;
	batch->operation.done = batch_done;
	do
	{
		Query	   *query = pop_read();

		rows += query->max_rows;
		batch->operation.alone = query->operation.alone;
		query_push(&batch->queries, query);
	}
	while (!batch->operation.alone && batch->queries.count < BATCH_QUERIES &&
		   reads.first && reads.first->statement == statement &&
		   !reads.first->operation.alone && rows + reads.first->max_rows <= BATCH_ROWS);
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
	Parameters	parameters = {first->count, values, lengths, formats, 0};
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
	if (complete)
		session_send(session, &batch->operation, first->statement, &parameters);
	else
		batch_done(&batch->operation, NULL);
}

/* Sends the first read, or a batch of its kind. Returns false if that has to wait. */
static bool
dispatch_read(void)
{
	bool		is_batch = statements[reads.first->statement].batch;
	Session    *session = session_pick(POOL_READ, is_batch ? BATCHES_IN_FLIGHT : READS_IN_FLIGHT);
	Batch	   *batch;

	if (session == NULL)
		return false;
	if (!is_batch)
	{
		query_send(session, pop_read(), read_done);
		return true;
	}
	batch = batch_fill();
	if (batch)
		batch_send(session, batch);
	return batch != NULL;
}

/* Sends a search. Returns false if that has to wait. */
static bool
dispatch_search(void)
{
	Session    *session = session_pick(POOL_SEARCH, 1);
	Query	   *query = session ? fair_queue_take(&searches, (settings.searchers + 1) / 2) : NULL;

	if (query)
		query_send(session, query, search_done);
	return query != NULL;
}

void
reads_dispatch(void)
{
	if (!database_ready(POOL_READ))
		queries_expire(&reads, true);
	if (!database_ready(POOL_SEARCH))
		queries_expire(&searches.waiting, true);
	while (reads.first && dispatch_read())
		;
	while (searches.waiting.first && dispatch_search())
		;
}

void
reads_tick(void)
{
	queries_expire(&reads, false);
	queries_expire(&searches.waiting, false);
}
