/*
 * query.c
 *		A request's statement: its parameters, its way out, its answer.
 */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "log.h"
#include "loop.h"
#include "query.h"
#include "response.h"
#include "settings.h"

void
query_begin(Request *request, StatementId statement,
			void (*answer) (Request *request, const Rows *rows),
			void (*missing) (Request *request))
{
	request->work.statement = statement;
	request->work.answer = answer;
	request->work.missing = missing;
	request->work.unstorable = NULL;
	request->work.count = 0;
	request->work.rows = 1;
}

void
query_add_text(Request *request, const char *text)
{
	request->work.values[request->work.count++] = (QueryValue) {.text = text};
}

void
query_add_number(Request *request, int number)
{
	request->work.values[request->work.count++] = (QueryValue) {.number = number};
}

void
query_add_key(Request *request, int chat, int number)
{
	request->work.values[request->work.count++] = (QueryValue) {.chat = chat, .number = chat ? number : 0};
}

void
query_answer(Request *request, const Rows *rows)
{
	request->work.answer(request, rows);
	request_resume(request);
}

/* No application has a token that is not in ASCII. */
static bool
token_is_ascii(const Request *request)
{
	for (size_t i = 0; i < request->token.length; i++)
		if (request->token.bytes[i] & 0x80)
			return false;
	return true;
}

/* The extension's library does not fit its schema: the client is told the versions. */
static void
refuse_version(Request *request, const char *reason)
{
	char		text[256];

	log_event("database: %s", reason);
	snprintf(text, sizeof(text), "The database is not available: %s.", reason);
	answer_unavailable(request, text);
}

void
query_refuse(Request *request, const PGresult *result)
{
	const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	Query	   *query = &request->work;

	if (sqlstate == NULL)
		answer_sql_error(request, "none", NULL, "no answer", NULL);
	else if (result_is_version_error(result))
		refuse_version(request, PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY));
	else if (strcmp(sqlstate, NO_SUCH_ROW) == 0 && query->missing)
		query->missing(request);
	else if (strcmp(sqlstate, UNSTORABLE) == 0 && !token_is_ascii(request))
		query->missing(request);
	else if (strcmp(sqlstate, UNSTORABLE) == 0 && query->unstorable)
		query->unstorable(request);
	else
		answer_sql_error(request, sqlstate, PQresultErrorField(result, PG_DIAG_COLUMN_NAME),
						 PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY),
						 PQresultErrorField(result, PG_DIAG_MESSAGE_HINT));
}

void
query_fail(Request *request, const PGresult *result)
{
	if (result == NULL)
		answer_unavailable(request, "The connection to the database was lost.");
	else
		query_refuse(request, result);
	if (request->status)
		request_resume(request);
}

void
query_finish(Request *request, const PGresult *result)
{
	Rows		rows = {.result = result, .count = PQntuples(result)};

	if (PQresultStatus(result) == PGRES_TUPLES_OK)
		query_answer(request, &rows);
	else
		query_fail(request, result);
}

Request *
query_request(Operation *operation)
{
	return (Request *) ((char *) operation - offsetof(Request, work.operation));
}

void
query_send(Session *session, Request *request,
		   void (*done) (Operation *operation, const PGresult *result))
{
	const Query *query = &request->work;
	char		numbers[QUERY_VALUES][sizeof("{2147483647,2147483647}")];
	const char *values[QUERY_VALUES];
	Parameters	parameters = {.count = query->count, .values = values};

	for (int i = 0; i < query->count; i++)
	{
		const QueryValue *value = &query->values[i];

		values[i] = value->text ? value->text : value->chat || value->number ? numbers[i] : NULL;
		if (value->chat)
			snprintf(numbers[i], sizeof(numbers[i]), "{%d,%d}", value->chat, value->number);
		else
			snprintf(numbers[i], sizeof(numbers[i]), "%d", value->number);
	}
	request->work.operation.done = done;
	session_send(session, &request->work.operation, query->statement, &parameters);
}

void
queue_expire(RequestQueue *queue, bool all)
{
	uint64_t	limit = (uint64_t) settings.request_timeout * 1000;

	for (int count = queue->count; count > 0; count--)
	{
		Request    *request = queue_pop(queue);

		if (!all && loop_now() - request->started_at <= limit)
		{
			queue_push(queue, request);
			continue;
		}
		answer_unavailable(request, all ? database_unavailable()
						   : "The request waited too long for the database.");
		request_resume(request);
	}
}
