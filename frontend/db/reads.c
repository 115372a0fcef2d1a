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
 * The queries of all applications take turns. Large reads have a queue of their own
 * and only some of the sessions (see session_pick_large()), one in a call, so that
 * small reads do not wait behind them. The size of a read is not known in advance: it is
 * expected to be large if one of the last ones of the application was, of pages or of
 * single messages.
 *
 * Searches have a pool of their own, with one search at a time per session: a
 * search may be slow, and a read behind it in a pipeline would have to wait.
 * No application has more than half of the sessions, so that the slow searches of one
 * hardly delay those of another.
 *
 * If there is no memory for a batch, its queries stay in the queue.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/settings.h"
#include "db/availability.h"
#include "db/fair_queue.h"
#include "db/parameters.h"
#include "db/reads.h"
#include "db/sessions.h"
#include "metrics/figures.h"

#define BATCH_QUERIES 200		/* in one call, at most */
#define BATCH_ROWS 2000			/* in one call, at most, unless it is a single query */
#define BATCH_BYTES (16 * 1024 * 1024)	/* of pages in one call, at most, plus a row of each */
#define BATCHES_IN_FLIGHT 2		/* per session: one executes while the other is sent */
#define READS_IN_FLIGHT 32		/* per session */
#define LARGE_READ (64 * 1024)	/* bytes */
#define LARGE_EXPECTED 32		/* reads after a large one */
#define OWNERS 1024

typedef struct Batch
{
	Operation	operation;
	QueryQueue	queries;
} Batch;

static FairQueue reads;
static FairQueue large_reads;
static FairQueue searches;

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

/* Remembers whether a read was large. */
static void
note_size(const Query *query, const Rows *rows)
{
	unsigned char *expected = expected_of(query);
	size_t		bytes = 0;

	for (int row = 0; row < rows->count; row++)
		for (int column = 0; column < PQnfields(rows->result); column++)
			bytes += PQgetlength(rows->result, rows->first + row, column);
	if (bytes >= LARGE_READ)
		*expected = LARGE_EXPECTED;
	else if (*expected > 0)
		(*expected)--;
}

/* Queues a read. Returns false if out of memory. */
static bool
push_read(Query *query)
{
	query->operation.large = *expected_of(query) > 0;
	return fair_queue_add(query->operation.large ? &large_reads : &reads, query, INT_MAX);
}

/* Notes that a read is no longer in flight. */
static void
end_read(Query *query)
{
	fair_queue_end(query->operation.large ? &large_reads : &reads, query);
}

void
reads_submit(Query *query)
{
	bool		search = query->pool == POOL_SEARCH;

	if (!database_ready(query->pool))
		query_refuse(query, database_unavailable());
	else if (!query_may_wait(query, 1, search ? searches.count : reads.count + large_reads.count) ||
			 !(search ? fair_queue_add(&searches, query, settings.max_queue / 8 + 2) : push_read(query)))
		query_refuse(query, "The server is busy.");
}

/* Queues a read again that was not executed because another failed, to be sent by itself. */
static void
read_again(Query *query)
{
	query->operation.alone = true;
	if (!push_read(query))
		query_refuse(query, "Out of memory.");
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

	end_read(query);
	if (PQresultStatus(result) == PGRES_PIPELINE_ABORTED)
	{
		read_again(query);
		return;
	}
	if (PQresultStatus(result) == PGRES_TUPLES_OK)
		note_size(query, &(Rows) {.result = result, .count = PQntuples(result)});
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
		end_read(query);
		note_size(query, &rows);
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
		end_read(query);
		if (again)
			read_again(query);
		else
			query_fail(query, result);
	}
	free(batch);
}

/*
 * Takes queries of the same statement as the next one of a queue: one of large reads,
 * else as many as a call may have. NULL if out of memory.
 */
static Batch *
batch_fill(FairQueue *queue)
{
	Batch	   *batch = calloc(1, sizeof(Batch));
	const Query *next = fair_queue_first(queue, INT_MAX);
	StatementId statement = next->statement;
	int			rows = 0;

	if (batch == NULL)
		return NULL;
	batch->operation.done = batch_done;
	batch->operation.alone = next->operation.alone;
	batch->operation.large = next->operation.large;
	do
	{
		Query	   *query = fair_queue_take(queue, INT_MAX);

		rows += query->max_rows;
		query_push(&batch->queries, query);
		next = fair_queue_first(queue, INT_MAX);
	}
	while (!batch->operation.alone && !batch->operation.large && batch->queries.count < BATCH_QUERIES &&
		   next && next->statement == statement && !next->operation.alone &&
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
	histogram_add(&figures->batches[POOL_READ], size_bounds, batch->queries.count, 1);
	if (complete)
		session_send(session, &batch->operation, first->statement, &parameters);
	else
		batch_done(&batch->operation, NULL);
}

/* Sends the next read of a queue, or a batch of its kind. Returns false if it has to wait. */
static bool
dispatch_read(FairQueue *queue)
{
	const Query *next = fair_queue_first(queue, INT_MAX);
	bool		is_batch = statements[next->statement].batch;
	int			depth = is_batch || next->operation.large ? BATCHES_IN_FLIGHT : READS_IN_FLIGHT;
	Session    *session = next->operation.large ? session_pick_large(POOL_READ, depth) : session_pick(POOL_READ, depth);
	Batch	   *batch;

	if (session == NULL)
		return false;
	if (!is_batch)
	{
		query_send(session, fair_queue_take(queue, INT_MAX), read_done);
		return true;
	}
	batch = batch_fill(queue);
	if (batch)
		batch_send(session, batch);
	return batch != NULL;
}

/* Sends the next search. Returns false if it has to wait. */
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
	{
		fair_queue_expire(&reads, true);
		fair_queue_expire(&large_reads, true);
	}
	if (!database_ready(POOL_SEARCH))
		fair_queue_expire(&searches, true);
	while (reads.count > 0 && dispatch_read(&reads))
		;
	while (large_reads.count > 0 && dispatch_read(&large_reads))
		;
	while (searches.count > 0 && dispatch_search())
		;
	figures->queued[QUEUE_OF_READS] = reads.count;
	figures->queued[QUEUE_OF_LARGE_READS] = large_reads.count;
	figures->queued[QUEUE_OF_SEARCHES] = searches.count;
}

void
reads_tick(void)
{
	fair_queue_expire(&reads, false);
	fair_queue_expire(&large_reads, false);
	fair_queue_expire(&searches, false);
}
