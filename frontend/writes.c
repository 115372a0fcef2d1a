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
 * A batch that fails as a whole was rolled back. If the data is to blame it is
 * cut in two and tried again, until the culprit is alone; after a deadlock or a
 * serialization failure it is tried once more; else all of it gets 503. When
 * the connection is lost nobody knows whether the commit came through: all of
 * it gets 503 too, and is not tried again.
 *
 * Creations of applications and chats take turns with batches for the writers.
 */
#include <arpa/inet.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "array.h"
#include "log.h"
#include "query.h"
#include "response.h"
#include "settings.h"
#include "writes.h"

#define BATCH_MESSAGES 1000		/* at most, in one call */
#define BATCH_BYTES (1024 * 1024)	/* of bodies in one call, unless it is one body */
#define QUEUE_BYTES (64 * 1024 * 1024)	/* of bodies that wait */
#define RUN_LENGTH 64			/* of creations, pipelined */

typedef struct Batch
{
	Operation	operation;
	RequestQueue messages;
	bool		tried;			/* and rolled back by the database */
	struct Batch *next;
} Batch;

static RequestQueue messages;
static size_t messages_bytes;
static RequestQueue creations;
static Batch *retries;			/* to be sent before anything else */
static bool creations_turn;

static void batch_finish(Batch *batch, const PGresult *result);

/* Answers the request if nothing more can be queued. */
static bool
refused(Request *request, bool full)
{
	if (!database_ready(LANE_WRITE))
		answer_unavailable(request, "The database is not available.");
	else if (full)
		answer_unavailable(request, "The server is busy.");
	return request->status != 0;
}

void
writes_submit(Request *request)
{
	if (!refused(request, creations.count >= settings.max_queue))
		queue_push(&creations, request);
}

void
writes_submit_message(Request *request)
{
	if (!refused(request, messages.count >= settings.max_queue || messages_bytes >= QUEUE_BYTES))
	{
		queue_push(&messages, request);
		messages_bytes += request->new_message.length;
	}
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

/* Answers one message with its row of the batch's result. */
static void
answer_outcome(Request *request, const PGresult *result, int row)
{
	if (PQgetisnull(result, row, 1))
	{
		json_t	   *body = json_object_get(request->fields, "body");

		answer_json(request, MHD_HTTP_CREATED,
					json_pack("{s:i,s:O}", "number", result_integer(result, row, 0), "body", body));
	}
	else if (strcmp(PQgetvalue(result, row, 1), NO_SUCH_ROW) == 0)
		request->work.missing(request);
	else
		answer_sql_error(request, PQgetvalue(result, row, 1),
						 PQgetisnull(result, row, 2) ? NULL : PQgetvalue(result, row, 2),
						 PQgetvalue(result, row, 3));
}

/* Is the data to blame for the failure, so that a part of it may do better? */
static bool
data_is_to_blame(const char *sqlstate)
{
	return strncmp(sqlstate, "22", 2) == 0 || strncmp(sqlstate, "23", 2) == 0 ||
		strncmp(sqlstate, "54", 2) == 0;
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
	const char *sqlstate = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;

	for (Request *request; (request = queue_pop(&batch->messages)) != NULL; request_resume(request))
	{
		if (sqlstate)
			answer_sql_error(request, sqlstate, PQresultErrorField(result, PG_DIAG_COLUMN_NAME),
							 PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY));
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

	if (result && PQresultStatus(result) == PGRES_TUPLES_OK &&
		PQntuples(result) == batch->messages.count)
	{
		for (int row = 0; row < PQntuples(result); row++)
		{
			Request    *request = queue_pop(&batch->messages);

			answer_outcome(request, result, row);
			request_resume(request);
		}
	}
	else if (sqlstate && data_is_to_blame(sqlstate) && batch->messages.count > 1)
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

/* Sends one batch, or one run of creations. */
static void
dispatch(Session *session)
{
	if (retries)
	{
		Batch	   *batch = retries;

		retries = batch->next;
		batch_send(session, batch);
	}
	else if (creations.first && (creations_turn || messages.first == NULL))
	{
		creations_turn = false;
		for (int i = 0; i < RUN_LENGTH && creations.first; i++)
			query_send(session, queue_pop(&creations));
	}
	else
	{
		creations_turn = true;
		batch_send(session, batch_fill());
	}
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
	queue_expire(&messages, true);
	messages_bytes = 0;
}

void
writes_turn(void)
{
	Session    *session;

	if (!database_ready(LANE_WRITE))
	{
		give_up();
		return;
	}
	while ((retries || creations.first || messages.first) &&
		   (session = database_session(LANE_WRITE, 1)) != NULL)
		dispatch(session);
}

void
writes_tick(void)
{
	queue_expire(&creations, false);
	queue_expire(&messages, false);
	messages_bytes = 0;
	for (Request *request = messages.first; request; request = request->next)
		messages_bytes += request->new_message.length;
}
