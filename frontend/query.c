/*
 * query.c
 *		A request's statement: its parameters, its way out, its answer.
 */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "loop.h"
#include "query.h"
#include "reads.h"
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
query_answer(Request *request, const Rows *rows)
{
	request->work.answer(request, rows);
	request_resume(request);
}

void
query_fail(Request *request, const PGresult *result)
{
	const char *sqlstate = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;

	if (result == NULL)
		answer_unavailable(request, "The connection to the database was lost.");
	else if (sqlstate && strcmp(sqlstate, NO_SUCH_ROW) == 0)
		request->work.missing(request);
	else
		answer_sql_error(request, sqlstate ? sqlstate : "none",
						 PQresultErrorField(result, PG_DIAG_COLUMN_NAME),
						 sqlstate ? PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) : "no answer");
	request_resume(request);
}

static void
query_done(Operation *operation, const PGresult *result)
{
	Request    *request = (Request *) ((char *) operation - offsetof(Request, work.operation));
	Rows		rows = {.result = result, .count = PQntuples(result)};

	if (PQresultStatus(result) == PGRES_PIPELINE_ABORTED)
	{
		operation->alone = true;
		reads_again(request);
	}
	else if (PQresultStatus(result) == PGRES_TUPLES_OK)
		query_answer(request, &rows);
	else
		query_fail(request, result);
}

void
query_send(Session *session, Request *request)
{
	const Query *query = &request->work;
	char		numbers[QUERY_VALUES][12];
	const char *values[QUERY_VALUES];
	Parameters	parameters = {.count = query->count, .values = values};

	for (int i = 0; i < query->count; i++)
	{
		values[i] = query->values[i].text;
		if (values[i] == NULL && query->values[i].number)
		{
			snprintf(numbers[i], sizeof(numbers[i]), "%d", query->values[i].number);
			values[i] = numbers[i];
		}
	}
	request->work.operation.done = query_done;
	session_send(session, &request->work.operation, query->statement, &parameters);
}

void
queue_expire(RequestQueue *queue, bool all)
{
	uint64_t	limit = (uint64_t) settings.request_timeout * 1000;

	while (queue->first && (all || loop_now() - queue->first->started_at > limit))
	{
		Request    *request = queue_pop(queue);

		answer_unavailable(request, all ? "The database is not available."
						   : "The request waited too long for the database.");
		request_resume(request);
	}
}
