/*
 * call.c
 *		A call of the API: a request and the query that serves it.
 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "api/call.h"
#include "api/problem.h"
#include "db/lsn.h"
#include "db/reads.h"
#include "db/writes.h"
#include "http/response.h"

Call *
call_of(Request *request)
{
	return (Call *) request;
}

Call *
call_of_query(Query *query)
{
	return (Call *) ((char *) query - offsetof(Call, query));
}

void
call_release(Request *request)
{
	free(call_of(request)->page.search.bytes);
	free(call_of(request)->page.sender.bytes);
	free(call_of(request)->ticket_content);
	free(call_of(request)->after_reader.bytes);
	free(call_of(request)->own_chats);
	if (call_of(request)->release)
		call_of(request)->release(request);
	visit_release(request);
}

const char *
path_token(const Request *request)
{
	return request->segments[SEGMENT_APPLICATION].text.bytes;
}

const char *
path_chat_text(const Request *request)
{
	return request->segments[SEGMENT_CHAT].text.bytes;
}

/* Numbers are parsed as sent: none of their digits may be percent-encoded. */
static int
path_number(const Segment *segment)
{
	int			number = 0;

	uri_number(segment->raw, segment->raw_length, 1, &number);
	return number;
}

int
path_chat(const Request *request)
{
	return path_number(&request->segments[SEGMENT_CHAT]);
}

int
path_message(const Request *request)
{
	return path_number(&request->segments[SEGMENT_MESSAGE]);
}

static void
on_success(Query *query, const Rows *rows)
{
	Call	   *call = call_of_query(query);

	call_note_commit(&call->request, query);
	call->answer(&call->request, rows);
}

bool
path_token_is_ascii(const Request *request)
{
	for (const char *byte = path_token(request); byte && *byte; byte++)
		if (*byte & 0x80)
			return false;
	return true;
}

static void
on_failure(Query *query, const Failure *failure)
{
	Call	   *call = call_of_query(query);
	Request    *request = &call->request;
	bool		unstorable = failure->sqlstate && strcmp(failure->sqlstate, UNSTORABLE) == 0;

	if (failure->sqlstate && strcmp(failure->sqlstate, NO_SUCH_ROW) == 0 && call->missing)
		call->missing(request);
	else if (unstorable && call->missing && !path_token_is_ascii(request))
		call->missing(request);
	else if (unstorable && call->unstorable)
		call->unstorable(request);
	else
	{
		Problem		problem;

		problem_of(failure, request, &problem);
		respond_problem(request, &problem);
	}
}

void
call_begin(Request *request, StatementId statement,
		   void (*answer) (Request *request, const Rows *rows),
		   void (*missing) (Request *request))
{
	Call	   *call = call_of(request);

	call->query = (Query) {
		.statement = statement,
		.max_rows = 1,
		.since = request->started_at,
		.caller = visit_caller(request),
		.label = request->id.text,
		.waiting = request->share ? &request->share->queued : NULL,
		.succeeded = on_success,
		.failed = on_failure,
	};
	call->answer = answer;
	call->missing = missing;
	call->unstorable = NULL;
}

void
call_add_token(Request *request)
{
	Text		token = visit_token(request);

	query_add_text(&call_of(request)->query, token.bytes, token.length);
}

void
call_add_text(Request *request, const char *text, size_t length)
{
	query_add_text(&call_of(request)->query, text, length);
}

void
call_add_number(Request *request, int number)
{
	query_add_number(&call_of(request)->query, number);
}

static void
submit_read(Request *request, Pool pool)
{
	Query	   *query = &call_of(request)->query;

	const char *lsn = request->headers.commit_lsn;

	query->pool = pool;
	if (lsn == NULL || lsn_parse(lsn, &query->lsn))
		reads_submit(query);
	else
		respond_error(request, MHD_HTTP_BAD_REQUEST, "The header Commit-LSN must be one that a response has had.");
}

void
call_read(Request *request)
{
	submit_read(request, POOL_READ);
}

void
call_read_primary(Request *request)
{
	call_of(request)->query.from_primary = true;
	submit_read(request, POOL_READ);
}

void
call_search(Request *request)
{
	submit_read(request, POOL_SEARCH);
}

void
call_note_commit(Request *request, const Query *query)
{
	Call	   *call = call_of(request);

	if (query->pool == POOL_WRITE && query->lsn > call->lsn)
		call->lsn = query->lsn;
}

void
call_complete(Request *request)
{
	char		text[LSN_SIZE];

	if (call_of(request)->lsn == 0)
		return;
	lsn_print(text, call_of(request)->lsn);
	response_header(request, "Commit-LSN", text);
}

void
call_write(Request *request)
{
	writes_submit(&call_of(request)->query);
}
