/*
 * writes.c
 *		What changes the database: messages in batches, the rest one by one.
 *
 * DESIGN
 *
 * Messages queue up while the writers are busy. As soon as one is idle, the
 * queue goes to it as one batch: one call of the extension's function, one
 * transaction, one commit for all. Each message has its own outcome in the
 * result, and each request is answered with its own after the commit.
 *
 * A batch that fails as a whole was rolled back. If one message may be to blame
 * it is cut in two and tried again, until the culprit is alone; after a deadlock
 * or a serialization failure it is tried once more; else all of it gets 503.
 * When the connection is lost nobody knows whether the commit came through: all
 * of it gets 503 too, and is not tried again.
 *
 * Nobody waits for a chat that another transaction has locked: its messages come
 * back and are held, and the rest of the batch is stored. If it may be another
 * batch that has the chat, they are held until that has ended, and so is the
 * queue, which would only find the same; later for a pause that grows.
 *
 * Creations of applications and chats take turns with batches for the writers.
 * They go one by one, so that they leave the other writers to the messages. One
 * that waits too long for a lock is held, with all of the same application.
 */
#include <arpa/inet.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "array.h"
#include "log.h"
#include "loop.h"
#include "query.h"
#include "response.h"
#include "settings.h"
#include "writes.h"

#define BATCH_MESSAGES 1000		/* at most, in one call */
#define BATCH_BYTES (1024 * 1024)	/* of bodies in one call, unless it is one body */
#define QUEUE_BYTES (64 * 1024 * 1024)	/* of bodies that wait */
#define AWAITS 4				/* refusals for which another batch may be the cause */
#define MESSAGE_PAUSE_FIRST 2	/* of messages that are held, ms */
#define MESSAGE_PAUSE_LAST 64
#define CREATION_PAUSE_FIRST 100	/* of creations */
#define CREATION_PAUSE_LAST 800

typedef struct Batch
{
	Operation	operation;
	RequestQueue messages;
	bool		tried;			/* and rolled back by the database */
	struct Batch *next;
} Batch;

static RequestQueue messages;
static size_t messages_bytes;
static RequestQueue held_messages;
static RequestQueue creations;
static RequestQueue held_creations;
static Batch *retries;			/* to be sent before anything else */
static int	batches_in_flight;
static bool awaiting_batch;		/* do messages that are held? */
static bool creation_in_flight;
static bool creations_turn;

static void on_wake(void *unused);
static void batch_finish(Batch *batch, const PGresult *result);

static Timer wake = {.fire = on_wake};

/* Answers the request if nothing more can be queued. */
static bool
refused(Request *request, bool full)
{
	if (!database_ready(LANE_WRITE))
		answer_unavailable(request, database_unavailable());
	else if (full)
		answer_unavailable(request, "The server is busy.");
	return request->status != 0;
}

void
writes_submit(Request *request)
{
	if (!refused(request, creations.count + held_creations.count >= settings.max_queue))
		queue_push(&creations, request);
}

void
writes_submit_message(Request *request)
{
	if (!refused(request, messages.count + held_messages.count >= settings.max_queue ||
				 messages_bytes >= QUEUE_BYTES))
	{
		queue_push(&messages, request);
		messages_bytes += request->new_message.length;
	}
}

/* Puts a request aside that found a lock. */
static void
hold(RequestQueue *held, Request *request, uint64_t until)
{
	request->hold.until = until;
	queue_push(held, request);
	if (wake.due == 0 || wake.due > until)
		loop_arm(&wake, until);
}

/* The moment of the next attempt, after one more refusal. */
static uint64_t
next_attempt(Request *request, int first, int last)
{
	int			pause = first;

	for (int i = 0; i < request->hold.refusals && pause < last; i++)
		pause *= 2;
	request->hold.refusals++;
	return loop_now() + pause;
}

/*
 * Holds a message that found its chat locked: as long as those of the same chat
 * that are held, so that they stay in their order.
 */
static void
hold_message(Request *request)
{
	Request    *other = held_messages.first;
	uint64_t	until;

	while (other && (other->chat != request->chat ||
					 strcmp(other->token.bytes, request->token.bytes) != 0))
		other = other->next;
	if (other)
	{
		request->hold = other->hold;
		until = other->hold.until;
	}
	else
	{
		until = next_attempt(request, MESSAGE_PAUSE_FIRST, MESSAGE_PAUSE_LAST);
		if (request->hold.refusals <= AWAITS && batches_in_flight > 0)
		{
			request->hold.awaits_batch = awaiting_batch = true;
			until = loop_now() + MESSAGE_PAUSE_LAST;
		}
	}
	messages_bytes += request->new_message.length;
	hold(&held_messages, request, until);
}

/*
 * Holds a creation that waited too long for a lock, and with it all that would
 * wait for the same.
 */
static void
hold_creation(Request *request)
{
	uint64_t	until = next_attempt(request, CREATION_PAUSE_FIRST, CREATION_PAUSE_LAST);

	hold(&held_creations, request, until);
	for (int count = creations.count; count > 0; count--)
	{
		Request    *other = queue_pop(&creations);

		if (request->token.bytes && other->token.bytes &&
			strcmp(request->token.bytes, other->token.bytes) == 0)
			hold(&held_creations, other, until);
		else
			queue_push(&creations, other);
	}
}

/* Puts what was held long enough in front of its queue; a batch may have ended. */
static void
release(RequestQueue *held, RequestQueue *queue, bool batch_ended)
{
	RequestQueue released = {NULL};

	for (int count = held->count; count > 0; count--)
	{
		Request    *request = queue_pop(held);

		if (request->hold.until <= loop_now() || (batch_ended && request->hold.awaits_batch))
		{
			request->hold.awaits_batch = false;
			queue_push(&released, request);
		}
		else
			hold(held, request, request->hold.until);
	}
	queue_prepend(queue, &released);
}

static void
on_wake(void *unused)
{
	(void) unused;
	awaiting_batch = false;
	release(&held_messages, &messages, false);
	release(&held_creations, &creations, false);
}

static int
result_integer(const PGresult *result, int row, int column)
{
	uint32_t	value;

	memcpy(&value, PQgetvalue(result, row, column), sizeof(value));
	return (int) ntohl(value);
}

static void
batch_done(Operation *operation, const PGresult *result)
{
	batch_finish((Batch *) operation, result);
}

static void
batch_send(Session *session, Batch *batch)
{
	static Array arrays[4];
	const char *values[4];
	int			lengths[4];
	const int	formats[4] = {1, 1, 1, 1};
	Parameters	parameters = {4, values, lengths, formats, 1};

	array_begin(&arrays[0], ARRAY_OF_TEXTS, batch->messages.count);
	array_begin(&arrays[1], ARRAY_OF_INTEGERS, batch->messages.count);
	array_begin(&arrays[2], ARRAY_OF_TEXTS, batch->messages.count);
	array_begin(&arrays[3], ARRAY_OF_INTEGERS, batch->messages.count);
	for (Request *request = batch->messages.first; request; request = request->next)
	{
		array_add_text(&arrays[0], request->token.bytes, request->token.length);
		array_add_number(&arrays[1], request->chat);
		array_add_text(&arrays[2], request->new_message.body, request->new_message.length);
		array_add_number(&arrays[3], request->new_message.number);
	}
	for (int i = 0; i < 4; i++)
	{
		values[i] = arrays[i].bytes;
		lengths[i] = (int) arrays[i].used;
	}
	batch->operation.done = batch_done;
	batches_in_flight++;
	session_send(session, &batch->operation, CREATE_MESSAGES, &parameters);
}

static Batch *
batch_new(void)
{
	Batch	   *batch = calloc(1, sizeof(Batch));

	if (batch == NULL)
	{
		log_event("out of memory");
		abort();
	}
	return batch;
}

/* Takes messages from the queue as far as they fit into a batch. */
static Batch *
batch_fill(void)
{
	Batch	   *batch = batch_new();
	size_t		bytes = 0;

	while (messages.first && batch->messages.count < BATCH_MESSAGES &&
		   (bytes == 0 || bytes + messages.first->new_message.length <= BATCH_BYTES))
	{
		Request    *request = queue_pop(&messages);

		bytes += request->new_message.length;
		messages_bytes -= request->new_message.length;
		queue_push(&batch->messages, request);
	}
	return batch;
}

static void
retry_later(Batch *batch)
{
	batch->next = retries;
	retries = batch;
}

/* Puts the batch back as two halves, of which each will be tried again. */
static void
batch_halve(Batch *batch)
{
	Batch	   *half = batch_new();
	int			count = batch->messages.count / 2;

	for (int i = 0; i < count; i++)
		queue_push(&half->messages, queue_pop(&batch->messages));
	retry_later(batch);
	retry_later(half);
}

/* Answers one message with its row of the batch's result, or holds it. */
static void
take_outcome(Request *request, const PGresult *result, int row)
{
	const char *sqlstate = PQgetvalue(result, row, 1);

	if (strcmp(sqlstate, LOCKED) == 0)
	{
		hold_message(request);
		return;
	}
	if (PQgetisnull(result, row, 1))
	{
		json_t	   *body = json_object_get(request->fields, "body");

		answer_json(request, MHD_HTTP_CREATED,
					json_pack("{s:i,s:O}", "number", result_integer(result, row, 0), "body", body));
	}
	else if (strcmp(sqlstate, NO_SUCH_ROW) == 0)
		request->work.missing(request);
	else
		answer_sql_error(request, sqlstate,
						 PQgetisnull(result, row, 2) ? NULL : PQgetvalue(result, row, 2),
						 PQgetvalue(result, row, 3), NULL);
	request_resume(request);
}

/*
 * May one message be to blame for the failure, so that the others do better
 * without it? It is not if the error's class is about the connection, a
 * read-only server, a rollback, resources, locks, an operator, or the system.
 */
static bool
one_is_to_blame(const PGresult *result)
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

/* Answers all messages of a batch that failed with an error, or without any. */
static void
batch_fail(Batch *batch, const PGresult *result)
{
	for (Request *request; (request = queue_pop(&batch->messages)) != NULL; request_resume(request))
	{
		if (result)
			query_refuse(request, result);
		else
			answer_unavailable(request, "The connection to the database was lost: "
							   "the message may be stored or not.");
	}
}

/* The result of a batch is there, NULL if the connection was lost. */
static void
batch_finish(Batch *batch, const PGresult *result)
{
	const char *sqlstate = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;

	batches_in_flight--;
	awaiting_batch = false;
	release(&held_messages, &messages, true);
	if (result && PQresultStatus(result) == PGRES_TUPLES_OK &&
		PQntuples(result) == batch->messages.count)
	{
		for (int row = 0; row < PQntuples(result); row++)
			take_outcome(queue_pop(&batch->messages), result, row);
	}
	else if (sqlstate && strcmp(sqlstate, LOCKED) == 0)
		for (Request *request; (request = queue_pop(&batch->messages)) != NULL;)
			hold_message(request);
	else if (sqlstate && one_is_to_blame(result) && batch->messages.count > 1)
	{
		batch_halve(batch);
		return;
	}
	else if (sqlstate && is_transient(sqlstate) && !batch->tried)
	{
		batch->tried = true;
		retry_later(batch);
		return;
	}
	else
		batch_fail(batch, result);
	free(batch);
}

static void
creation_done(Operation *operation, const PGresult *result)
{
	Request    *request = query_request(operation);
	const char *sqlstate = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;

	creation_in_flight = false;
	if (sqlstate && strcmp(sqlstate, LOCKED) == 0)
		hold_creation(request);
	else
		query_finish(request, result);
}

/* Sends one batch, or one creation. Returns false if there is none, or no writer. */
static bool
dispatch(void)
{
	Session    *session = database_session(LANE_WRITE, 1);
	bool		creation = creations.first && !creation_in_flight;
	bool		message = messages.first && !awaiting_batch;

	if (session == NULL)
		return false;
	if (retries)
	{
		Batch	   *batch = retries;

		retries = batch->next;
		batch_send(session, batch);
	}
	else if (creation && (creations_turn || !message))
	{
		creations_turn = false;
		creation_in_flight = true;
		query_send(session, queue_pop(&creations), creation_done);
	}
	else if (message)
	{
		creations_turn = true;
		batch_send(session, batch_fill());
	}
	else
		return false;
	return true;
}

/* Nobody can write: answers all that waits. */
static void
give_up(void)
{
	while (retries)
	{
		Batch	   *batch = retries;

		retries = batch->next;
		batch_fail(batch, NULL);
		free(batch);
	}
	queue_expire(&creations, true);
	queue_expire(&held_creations, true);
	queue_expire(&messages, true);
	queue_expire(&held_messages, true);
	messages_bytes = 0;
}

void
writes_turn(void)
{
	if (!database_ready(LANE_WRITE))
	{
		give_up();
		return;
	}
	while (dispatch())
		;
}

void
writes_tick(void)
{
	RequestQueue *const waiting[] = {&messages, &held_messages};

	queue_expire(&creations, false);
	queue_expire(&held_creations, false);
	messages_bytes = 0;
	for (int i = 0; i < 2; i++)
	{
		queue_expire(waiting[i], false);
		for (Request *request = waiting[i]->first; request; request = request->next)
			messages_bytes += request->new_message.length;
	}
}
