/*
 * query.c
 *		A query: one statement with its parameters and callbacks.
 */
#include <stdio.h>
#include <string.h>

#include "common/log.h"
#include "common/loop.h"
#include "common/settings.h"
#include "db/availability.h"
#include "db/query.h"
#include "db/result.h"
#include "metrics/figures.h"

#define LABEL_PREFIX "X-Request-Id:"	/* the extension knows labels by it */
#define MORE_SIZE sizeof(" and 1000000 more")

void
query_push(QueryQueue *queue, Query *query)
{
	query->next = NULL;
	if (queue->last)
		queue->last->next = query;
	else
		queue->first = query;
	queue->last = query;
	queue->count++;
}

Query *
query_pop(QueryQueue *queue)
{
	Query	   *query = queue->first;

	if (query)
	{
		queue->first = query->next;
		if (queue->first == NULL)
			queue->last = NULL;
		queue->count--;
	}
	return query;
}

bool
query_may_wait(const Query *query, int count, int others)
{
	int			share = settings.max_queue - settings.max_queue / 8;
	int			waiting = query->waiting ? *query->waiting : 0;

	if (others == 0 && waiting == 0)
		return true;
	return others + count <= settings.max_queue && (query->waiting == NULL || waiting + count <= share);
}

void
query_begin_wait(Query *query)
{
	query->queued_at = loop_clock();
	if (query->waiting)
		++* query->waiting;
}

void
query_end_wait(Query *query)
{
	histogram_add(&figures->waits[query->pool], time_bounds, loop_clock() - query->queued_at, 1);
	if (query->waiting)
		--* query->waiting;
}

uint32_t
text_hash(const char *text, size_t length)
{
	uint32_t	hash = 2166136261u;

	for (size_t i = 0; i < length; i++)
		hash = (hash ^ (unsigned char) text[i]) * 16777619u;
	return hash ^ hash >> 15;
}

size_t
query_size(const Query *query)
{
	size_t		size = 0;

	for (int i = 0; i < query->count; i++)
		size += query->values[i].length;
	return size;
}

void
query_add_text(Query *query, const char *text, size_t length)
{
	query->values[query->count++] = (QueryValue) {.text = text, .length = length};
}

void
query_add_number(Query *query, int number)
{
	query->values[query->count++] = (QueryValue) {.number = number};
}

void
query_add_number_or_zero(Query *query, int number)
{
	query->values[query->count++] = (QueryValue) {.number = number < 0 ? 0 : number, .is_zero = number == 0};
}

void
query_add_pair(Query *query, int first, int second)
{
	query->values[query->count++] = (QueryValue) {.first = first, .number = first ? second : 0};
}

const char *
queries_label(const Query *first, char label[LABEL_SIZE])
{
	size_t		used = strlen(LABEL_PREFIX);
	int			left_out = 0;
	const char *before = NULL;

	memcpy(label, LABEL_PREFIX, used);
	for (const Query *query = first; query; query = query->next)
	{
		size_t		length = query->label ? strlen(query->label) : 0;

		/* Many may be of one request. */
		if (length == 0 || query->label == before)
			continue;
		before = query->label;
		if (used + 1 + length + MORE_SIZE >= LABEL_SIZE)
		{
			left_out++;
			continue;
		}
		label[used++] = ' ';
		memcpy(label + used, query->label, length);
		used += length;
	}
	if (used == strlen(LABEL_PREFIX))
		return NULL;
	if (left_out > 0)
		used += snprintf(label + used, MORE_SIZE, " and %d more", left_out);
	label[used] = '\0';
	return label;
}

void
query_send(Session *session, Query *query,
		   void (*done) (Operation *operation, const PGresult *result))
{
	char		numbers[QUERY_VALUES][sizeof("{2147483647,2147483647}")];
	const char *values[QUERY_VALUES];
	char		label[LABEL_SIZE];
	Parameters	parameters = {.count = query->count, .values = values};

	for (int i = 0; i < query->count; i++)
	{
		const QueryValue *value = &query->values[i];

		values[i] = value->text ? value->text : value->first || value->number || value->is_zero ? numbers[i] : NULL;
		if (value->first)
			snprintf(numbers[i], sizeof(numbers[i]), "{%d,%d}", value->first, value->number);
		else
			snprintf(numbers[i], sizeof(numbers[i]), "%d", value->number);
	}
	query->next = NULL;
	parameters.label = queries_label(query, label);
	histogram_add(&figures->batches[session->pool], size_bounds, 1, 1);
	query->operation.done = done;
	session_send(session, &query->operation, query->statement, &parameters);
}

Query *
query_of(Operation *operation)
{
	return (Query *) ((char *) operation - offsetof(Query, operation));
}

void
query_refuse(Query *query, const char *message)
{
	query->failed(query, &(Failure) {.message = message});
}

void
query_lose(Query *query)
{
	query->failed(query, &(Failure) {
		.unknown = true,
		.message = "The connection to the database was lost: what was sent may be stored or not. Look before you send it again.",
	});
}

void
query_fail(Query *query, const PGresult *result)
{
	Failure		failure = {.sqlstate = "none", .message = "no answer"};

	if (result == NULL)
	{
		query_refuse(query, "The connection to the database was lost.");
		return;
	}
	if (result_is_version_error(result))
	{
		const char *reason = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
		char		text[256];

		log_event("database: %s", reason);
		snprintf(text, sizeof(text), "The database is not available: %s.", reason);
		query_refuse(query, text);
		return;
	}
	if (PQresultErrorField(result, PG_DIAG_SQLSTATE))
		failure = (Failure) {
			.sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE),
			.column = PQresultErrorField(result, PG_DIAG_COLUMN_NAME),
			.message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY),
			.hint = PQresultErrorField(result, PG_DIAG_MESSAGE_HINT),
		};
	query->failed(query, &failure);
}

void
query_finish(Query *query, const PGresult *result)
{
	Rows		rows = {.result = result, .count = PQntuples(result)};

	if (PQresultStatus(result) == PGRES_TUPLES_OK)
		query->succeeded(query, &rows);
	else
		query_fail(query, result);
}

void
queries_expire(QueryQueue *queue, bool all)
{
	uint64_t	limit = (uint64_t) settings.request_timeout * 1000;

	for (int count = queue->count; count > 0; count--)
	{
		Query	   *query = query_pop(queue);

		if (loop_now() - query->since <= limit && (!all || query->repeated))
		{
			query_push(queue, query);
			continue;
		}
		query_end_wait(query);
		query_refuse(query, all && !query->repeated ? database_unavailable()
					 : "The request waited too long for the database.");
	}
}
