/*
 * exports.c
 *		Handlers that export a chat, or an application: a line of JSON for each message.
 *
 * A handler has the export opened (db/exports.h), which answers whatever is wrong, and then has the
 * socket taken over (streams/): from then on nothing but a lost connection can stand in the way.
 */
#include <stdlib.h>
#include <string.h>

#include "api/audience_of.h"
#include "api/call.h"
#include "api/handlers.h"
#include "api/message_answer.h"
#include "api/pagination.h"
#include "db/exports.h"
#include "http/response.h"
#include "streams/export_stream.h"

#define CONTENT_TYPE "application/x-ndjson"

/* Closes an export that was opened for nothing: its client has gone. */
static void
release(Request *request)
{
	if (call_of(request)->export)
		export_close(call_of(request)->export);
}

static void
take(Request *request, int fd, const char *headers)
{
	Call	   *call = call_of(request);
	Audience	audience = audience_of(request, fd, headers);

	if (fd < 0)
		return;
	export_stream_open(&audience, call->export, call->export_size);
	call->export = NULL;
}

static void
answer(Request *request, const Rows *rows)
{
	call_of(request)->export_size = atoll(PQgetvalue(rows->result, rows->first, 0));
	respond_taken(request, take);
}

/* There is no export any more, whatever is answered. */
static void
on_failure(Query *query, const Failure *failure)
{
	Call	   *call = call_of_query(query);

	call->export = NULL;
	call->export_failed(query, failure);
}

static bool
is_wanted(Query *query)
{
	const Connection *client = call_of_query(query)->request.client;

	return client && !connection_has_left(client);
}

/* A HEAD: whether there is something to export, and nothing of it. */
static void
answer_head(Request *request, const Rows *rows)
{
	if (rows->count == 0)
		call_of(request)->missing(request);
	else
		respond_ok(request, strdup(""), NULL);
}

/* Exports a chat, or with chat 0 the application, after the place that the query names. */
static void
begin(Request *request, int chat, void (*missing) (Request *request))
{
	Call	   *call = call_of(request);
	const Page *page = &call->page;

	if (page->limit_given || page->before.number >= 0)
	{
		respond_error(request, MHD_HTTP_BAD_REQUEST, "Query parameter '%s' is not for exports.", page->limit_given ? "limit" : "before");
		return;
	}
	if (strcmp(request->method, "HEAD") == 0)
	{
		request->content_type = CONTENT_TYPE;
		call_begin(request, chat ? GET_CHAT : GET_APPLICATION, answer_head, missing);
		call_add_token(request);
		if (chat)
			call_add_number(request, chat);
		call_read(request);
		return;
	}
	if (!audience_has_room(request))
		return;
	call_begin(request, OPEN_EXPORT, answer, missing);
	call_add_token(request);
	call_add_number(request, chat);
	call_add_number(request, page->after.chat);
	call_add_number(request, page->after.number > 0 ? page->after.number : 0);
	call_add_number(request, EXPORT_PAGE_BYTES);
	call->release = release;
	call->export_failed = call->query.failed;
	call->query.failed = on_failure;
	call->export = export_open(&call->query, is_wanted);
}

void
chat_export(Request *request)
{
	if (!page_read(request, PAGE_OF_LIST))
		return;
	if (path_chat(request) == 0)
		chat_not_found(request);
	else
		begin(request, path_chat(request), chat_not_found);
}

void
application_export(Request *request)
{
	if (page_read(request, PAGE_ACROSS_CHATS))
		begin(request, 0, application_missing);
}
