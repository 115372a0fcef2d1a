/*
 * changes.c
 *		Handler of the changes of a chat's messages.
 *
 * A client has a position N.R: it knows the messages through number N, with the changes through
 * revision R. It gets what came after, each change with the position that it leads to.
 */
#include <stdio.h>

#include "api/call.h"
#include "api/handlers.h"
#include "api/message_answer.h"
#include "api/pagination.h"
#include "http/response.h"

/* Columns of LIST_CHANGES. */
enum
{
	COLUMN_CHANGES,
	COLUMN_COUNT,
	COLUMN_CUT,					/* t: there may be more, though there are fewer than the limit */
	COLUMN_POSITION,			/* to go on after */
	COLUMN_FIELD				/* not null: the chat has not come to the client's position */
};

static void
answer(Request *request, const Rows *rows)
{
	const Page *page = &call_of(request)->page;
	const char *position = PQgetvalue(rows->result, rows->first, COLUMN_POSITION);
	bool		more = rows_flag(rows, COLUMN_CUT) || rows_number(rows, 0, COLUMN_COUNT) == page->limit;
	char		limit[sizeof("limit=2147483647&")] = "";
	char		link[128];

	if (!PQgetisnull(rows->result, rows->first, COLUMN_FIELD))
	{
		respond_error(request, MHD_HTTP_BAD_REQUEST, "Query parameter 'after' is beyond the chat's position, %s.", position);
		return;
	}
	if (page->limit_given)
		snprintf(limit, sizeof(limit), "limit=%d&", page->limit);
	snprintf(link, sizeof(link), "<?%safter=%s>; rel=\"next\"", limit, position);
	respond_ok(request, rows_text(rows, COLUMN_CHANGES), more ? link : NULL);
}

void
changes_list(Request *request)
{
	const Page *page = &call_of(request)->page;

	if (!page_read(request, PAGE_OF_CHANGES))
		return;
	if (path_chat(request) == 0)
	{
		chat_not_found(request);
		return;
	}
	call_begin(request, LIST_CHANGES, answer, chat_not_found);
	call_add_token(request);
	call_add_number(request, path_chat(request));
	call_add_number(request, page->after.number > 0 ? page->after.number : 0);
	call_add_number(request, page->revision);
	call_add_number(request, page->limit);
	call_of(request)->query.max_rows = page->limit;
	call_read(request);
}
