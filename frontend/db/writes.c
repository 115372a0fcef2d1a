/*
 * writes.c
 *		Queries that change something: new messages in batches, all others one by one.
 *
 * DESIGN
 *
 * Messages queue up while the sessions are busy. As soon as one is idle, what is in
 * the queue goes to it as one batch: one call of the extension's function, one
 * transaction, one commit for all. Each message has its own outcome in the result,
 * and each query ends with its own after the commit.
 *
 * A batch that fails as a whole was rolled back. If one message may be the cause,
 * the batch is split into halves, which are tried one after the other, until the
 * cause is alone. After a deadlock or a serialization failure it is tried once
 * more. Otherwise all of it fails. If the connection is lost, the batch may have been
 * committed or not: those of it that have the same effect when they are executed twice, as
 * messages with a key have, are put back into the queue; the others fail as unknown.
 *
 * Nothing waits for a chat that another transaction has locked: its messages come
 * back and are tried again after a pause, while the rest of the batch is stored.
 * The messages of a chat stay in the order in which they arrived; those of one
 * chat are therefore never in two batches at a time (keyed_queue.c).
 *
 * All others, and messages of which all or none are wanted, are called creations here. They
 * alternate with batches. An application has one in flight at most, and creations that are
 * slow for their applications (slowness.h) are in half of the sessions at most, so that
 * messages and other applications do not wait behind them. A creation that waits too long for
 * a lock is tried again after a pause, before those of the same key that came after it.
 */
#include <stdlib.h>
#include <string.h>

#include "common/settings.h"
#include "db/availability.h"
#include "db/keyed_queue.h"
#include "db/message_arrays.h"
#include "db/result.h"
#include "db/sessions.h"
#include "db/slowness.h"
#include "db/writes.h"
#include "metrics/figures.h"

#define BATCH_MESSAGES 1000		/* in one call, at most */
#define BATCH_BYTES (1024 * 1024)	/* in one call, at most, unless it is a single message */

typedef struct Batch
{
	Operation	operation;
	QueryQueue	messages;
	bool		retried;		/* after the database rolled it back */
	struct Batch *rest;			/* the other half, to be sent after this one */
	struct Batch *next;			/* in retries */
} Batch;

static bool may_be_sent(const Query *creation);

static KeyedQueue messages = {.first_pause = 2, .last_pause = 64};
static KeyedQueue creations = {.first_pause = 100, .last_pause = 800, .may_be_sent = may_be_sent};
static Batch *retries;			/* batches to be sent before anything else */
static QueryQueue creations_in_flight;
static bool creation_is_next;	/* if there are both */

/* Why queries cannot be queued now; NULL: they can. */
static const char *
obstacle(const KeyedQueue *queue, const Query *query, int count)
{
	if (!database_ready(POOL_WRITE))
		return database_unavailable();
	return query_may_wait(query, count, queue->count) ? NULL : "The server is busy.";
}

/* The key of tickets that are used, which anybody can try: nothing else waits behind them. */
#define NUMBER_OF_TICKETS (-1)

/* Queues a query under the key of what it locks: the chat, the application, or the name of a new one. */
static void
add(KeyedQueue *queue, Query *query)
{
	int			number = query->statement == CREATE_CHAT ? 0 :
		query->statement == USE_TICKET ? NUMBER_OF_TICKETS : query->values[MESSAGE_CHAT].number;

	if (!keyed_queue_add(queue, query, query->values[MESSAGE_TOKEN].text, number))
		query_refuse(query, "Out of memory.");
}

void
writes_submit(Query *query)
{
	KeyedQueue *queue = query->statement == CREATE_MESSAGES ? &messages : &creations;
	const char *reason = obstacle(queue, query, 1);

	if (reason)
		query_refuse(query, reason);
	else
		add(queue, query);
}

const char *
writes_submit_all(QueryQueue *queries)
{
	const char *reason = obstacle(&messages, queries->first, queries->count);
	Query	   *query;

	while (reason == NULL && (query = query_pop(queries)) != NULL)
		add(&messages, query);
	return reason;
}

/* Fails all messages of a batch, with a text. */
static void
batch_refuse(Batch *batch, const char *text)
{
	Query	   *query;

	while ((query = query_pop(&batch->messages)) != NULL)
	{
		keyed_queue_end(&messages, query);
		query_refuse(query, text);
	}
}

/*
 * The session of a query has ended, with a failed result or none. If it can be executed once
 * more, it is put aside for that; else it fails, as unknown where there is no result.
 */
static void
lose(KeyedQueue *queue, QueryQueue *repeated, Query *query, const PGresult *result)
{
	if (query->repeatable)
	{
		query->repeated = true;
		query_push(repeated, query);
		return;
	}
	keyed_queue_end(queue, query);
	if (result)
		query_fail(query, result);
	else
		query_lose(query);
}

/* The session of a batch has ended. */
static void
batch_lose(Batch *batch, const PGresult *result)
{
	QueryQueue	repeated = {0};
	Query	   *query;

	while ((query = query_pop(&batch->messages)) != NULL)
		lose(&messages, &repeated, query, result);
	keyed_queue_return(&messages, &repeated);
}

/* Fails all messages of a batch, with its failed result. */
static void
batch_fail(Batch *batch, const PGresult *result)
{
	Query	   *query;

	while ((query = query_pop(&batch->messages)) != NULL)
	{
		keyed_queue_end(&messages, query);
		query_fail(query, result);
	}
}

static void
batch_retry(Batch *batch)
{
	batch->next = retries;
	retries = batch;
}

/* Ends a batch; its other half comes next. */
static void
batch_end(Batch *batch)
{
	if (batch->rest)
		batch_retry(batch->rest);
	free(batch);
}

/* Puts a batch back as two halves; fails it if out of memory. */
static void
batch_split(Batch *batch, const PGresult *result)
{
	Batch	   *half = calloc(1, sizeof(Batch));
	int			count = batch->messages.count / 2;

	if (half == NULL)
	{
		batch_fail(batch, result);
		batch_end(batch);
		return;
	}
	for (int i = 0; i < count; i++)
		query_push(&half->messages, query_pop(&batch->messages));
	half->rest = batch;
	batch_retry(half);
}

bool
outcome_is_success(const PGresult *result, int row)
{
	return PQgetisnull(result, row, OUTCOME_SQLSTATE);
}

Failure
outcome_failure(const PGresult *result, int row)
{
	return (Failure) {
		.sqlstate = PQgetvalue(result, row, OUTCOME_SQLSTATE),
		.column = PQgetisnull(result, row, OUTCOME_FIELD) ? NULL : PQgetvalue(result, row, OUTCOME_FIELD),
		.message = PQgetvalue(result, row, OUTCOME_MESSAGE),
		.last_number = atoi(PQgetvalue(result, row, OUTCOME_NUMBER))
	};
}

/* Fails a message with its row of the result. */
static void
message_fail(Query *query, const PGresult *result, int row)
{
	Failure		failure = outcome_failure(result, row);

	query->failed(query, &failure);
}

/* Ends each message of a batch with its row, or puts it back into the queue. */
static void
batch_take_outcomes(Batch *batch, const PGresult *result)
{
	QueryQueue	locked = {0};

	for (int row = 0; row < PQntuples(result); row++)
	{
		Query	   *query = query_pop(&batch->messages);
		const char *sqlstate = PQgetvalue(result, row, OUTCOME_SQLSTATE);

		if (strcmp(sqlstate, LOCKED) == 0)
		{
			query_push(&locked, query);
			continue;
		}
		keyed_queue_end(&messages, query);
		query->lsn = batch->operation.lsn;
		if (outcome_is_success(result, row))
			query->succeeded(query, &(Rows) {.result = result, .first = row, .count = 1});
		else
			message_fail(query, result, row);
	}
	keyed_queue_return(&messages, &locked);
}

/*
 * May a single message be the cause of the failure, so that the others succeed
 * without it? Not if the class of the error is about the connection, a read-only
 * server, a rollback, resources, locks, an operator or the system.
 */
static bool
may_have_one_cause(const PGresult *result)
{
	static const char *const classes[] = {"08", "25", "40", "53", "55", "57", "58", "XX"};
	const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);

	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
		if (strncmp(sqlstate, classes[i], 2) == 0)
			return false;
	return !result_is_stale(result);
}

static bool
is_transient(const char *sqlstate)
{
	return strcmp(sqlstate, "40001") == 0 || strcmp(sqlstate, "40P01") == 0;
}

/* Has the session ended, so that what was sent may be tried in another? */
static bool
session_has_ended(const char *sqlstate)
{
	return sqlstate == NULL || strncmp(sqlstate, "57P0", 4) == 0;
}

static void
batch_done(Operation *operation, const PGresult *result)
{
	Batch	   *batch = (Batch *) operation;
	const char *sqlstate = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;

	if (PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) == batch->messages.count)
		batch_take_outcomes(batch, result);
	else if (session_has_ended(sqlstate))
		batch_lose(batch, result);
	else if (strcmp(sqlstate, LOCKED) == 0)
		keyed_queue_return(&messages, &batch->messages);
	else if (may_have_one_cause(result) && batch->messages.count > 1)
	{
		batch_split(batch, result);
		return;
	}
	else if (is_transient(sqlstate) && !batch->retried)
	{
		batch->retried = true;
		batch_retry(batch);
		return;
	}
	else
		batch_fail(batch, result);
	batch_end(batch);
}

static void
batch_send(Session *session, Batch *batch)
{
	batch->operation.done = batch_done;
	if (!messages_send(session, CREATE_MESSAGES, &batch->messages, &batch->operation))
	{
		batch_refuse(batch, "Out of memory.");
		batch_end(batch);
	}
}

/* Takes a batch from the queue; NULL if out of memory. */
static Batch *
batch_fill(void)
{
	Batch	   *batch = calloc(1, sizeof(Batch));

	if (batch)
		keyed_queue_take(&messages, &batch->messages, BATCH_MESSAGES, BATCH_BYTES);
	return batch;
}

/*
 * Takes the next batch that is to be tried again. Messages are put back into the queue
 * if earlier ones of the same chat have come back in the meantime.
 */
static Batch *
batch_refill(void)
{
	Batch	   *batch = retries;
	QueryQueue	behind = {0};

	retries = batch->next;
	for (int count = batch->messages.count; count > 0; count--)
	{
		Query	   *query = query_pop(&batch->messages);

		query_push(keyed_queue_is_behind(query) ? &behind : &batch->messages, query);
	}
	keyed_queue_return(&messages, &behind);
	return batch;
}

/* Is any of the messages refused because its chat is locked? */
static bool
any_is_locked(const Query *query, const PGresult *result)
{
	if (query->statement != CREATE_ALL_MESSAGES || PQresultStatus(result) != PGRES_TUPLES_OK)
		return false;
	for (int row = 0; row < PQntuples(result); row++)
		if (strcmp(PQgetvalue(result, row, OUTCOME_SQLSTATE), LOCKED) == 0)
			return true;
	return false;
}

/*
 * May a creation be sent now? Not if another of its application is in flight, tickets that are used
 * aside, nor if it is slow and others that are have half of the sessions.
 */
static bool
may_be_sent(const Query *creation)
{
	int			slow = 0;

	for (const Query *other = creations_in_flight.first; other; other = other->next)
	{
		if ((creation->statement == USE_TICKET) == (other->statement == USE_TICKET) &&
			strcmp(creation->values[MESSAGE_TOKEN].text, other->values[MESSAGE_TOKEN].text) == 0)
			return false;
		slow += query_is_slow(other);
	}
	return slow < (settings.writers + 1) / 2 || !query_is_slow(creation);
}

/* Takes a creation from those in flight. */
static void
end_flight(Query *creation)
{
	for (int count = creations_in_flight.count; count > 0; count--)
	{
		Query	   *other = query_pop(&creations_in_flight);

		if (other != creation)
			query_push(&creations_in_flight, other);
	}
}

static void
creation_done(Operation *operation, const PGresult *result)
{
	Query	   *query = query_of(operation);
	const char *sqlstate = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
	QueryQueue	returned = {0};

	end_flight(query);
	if (result)
		query_note_time(query, operation, 1);
	if (PQresultStatus(result) != PGRES_TUPLES_OK && session_has_ended(sqlstate))
		lose(&creations, &returned, query, result);
	else if ((sqlstate && strcmp(sqlstate, LOCKED) == 0) || any_is_locked(query, result))
		query_push(&returned, query);
	else
	{
		keyed_queue_end(&creations, query);
		query->lsn = operation->lsn;
		query_finish(query, result);
	}
	keyed_queue_return(&creations, &returned);
}

static void
send_creation(Session *session)
{
	QueryQueue	taken = {0};
	Query	   *query;

	keyed_queue_take(&creations, &taken, 1, SIZE_MAX);
	query = query_pop(&taken);
	query->operation.done = creation_done;
	if (query->parts.count == 0)
		query_send(session, query, creation_done);
	else if (!(query->statement == IMPORT_MESSAGES || query->statement == IMPORT_APPLICATION ? imported_send(session, query) :
			   messages_send(session, query->statement, &query->parts, &query->operation)))
	{
		keyed_queue_end(&creations, query);
		query_refuse(query, "Out of memory.");
		return;
	}
	query_push(&creations_in_flight, query);
}

/* Sends one batch or creation. Returns false if there is none, or no idle session. */
static bool
dispatch(void)
{
	Session    *session = session_pick(POOL_WRITE, 0, 1);
	bool		creation = session && keyed_queue_is_ready(&creations);
	bool		message = session && keyed_queue_is_ready(&messages);
	Batch	   *batch;

	if (session == NULL)
		return false;
	if (retries)
		batch = batch_refill();
	else if (creation && (creation_is_next || !message))
	{
		creation_is_next = false;
		send_creation(session);
		return true;
	}
	else
	{
		batch = message ? batch_fill() : NULL;
		creation_is_next = true;
	}
	if (batch == NULL)
		return false;
	if (batch->messages.count > 0)
		batch_send(session, batch);
	else
		batch_end(batch);
	return true;
}

/* Fails all queries that wait, since no session is connected. */
static void
give_up(void)
{
	while (retries)
	{
		Batch	   *batch = retries;

		retries = batch->next;
		batch_refuse(batch, database_unavailable());
		batch_end(batch);
	}
	keyed_queue_expire(&creations, true);
	keyed_queue_expire(&messages, true);
}

void
writes_dispatch(void)
{
	if (!database_ready(POOL_WRITE))
		give_up();
	else
		while (dispatch())
			;
	figures->queued[QUEUE_OF_MESSAGES] = messages.count;
	figures->queued[QUEUE_OF_CREATIONS] = creations.count;
}

void
writes_tick(void)
{
	keyed_queue_expire(&creations, false);
	keyed_queue_expire(&messages, false);
}
