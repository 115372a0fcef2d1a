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
			void (*answer) (Request *request, const PGresult *result),
			void (*missing) (Request *request))
{
	request->work.statement = statement;
	request->work.answer = answer;
	request->work.missing = missing;
	request->work.count = 0;
}

void
query_add_text(Request *request, const char *text)
{
	request->work.values[request->work.count++] = text;
}

void
query_add_number(Request *request, int number)
{
	Query	   *query = &request->work;
	char	   *buffer = query->numbers[query->count];

	snprintf(buffer, sizeof(query->numbers[0]), "%d", number);
	query->values[query->count++] = number ? buffer : NULL;
}

static void
query_done(Operation *operation, const PGresult *result)
{
	Request    *request = (Request *) ((char *) operation - offsetof(Request, work.operation));
	const char *sqlstate;

	if (PQresultStatus(result) == PGRES_PIPELINE_ABORTED)
	{
		operation->alone = true;
		reads_again(request);
		return;
	}
	if (result == NULL)
		answer_unavailable(request, "The connection to the database was lost.");
	else if (PQresultStatus(result) == PGRES_TUPLES_OK)
		request->work.answer(request, result);
	else
	{
		sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
		if (sqlstate && strcmp(sqlstate, NO_SUCH_ROW) == 0)
			request->work.missing(request);
		else
			answer_sql_error(request, sqlstate ? sqlstate : "none",
							 PQresultErrorField(result, PG_DIAG_COLUMN_NAME),
							 sqlstate ? PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) : "no answer");
	}
	request_resume(request);
}

void
query_send(Session *session, Request *request)
{
	Parameters	parameters = {.count = request->work.count, .values = request->work.values};

	request->work.operation.done = query_done;
	session_send(session, &request->work.operation, request->work.statement, &parameters);
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
