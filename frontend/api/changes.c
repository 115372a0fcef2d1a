/*
 * changes.c
 *		Handler of the changes of a chat's messages.
 *
 * A client has a position N.R: it knows the messages through number N, with the changes through
 * revision R. It gets what came after, each change with the position that it leads to. If nothing came,
 * it may wait for that: then its socket is taken over (streams/).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/audience_of.h"
#include "api/call.h"
#include "api/handlers.h"
#include "api/message_answer.h"
#include "api/pagination.h"
#include "api/query_parameters.h"
#include "http/response.h"
#include "streams/poll.h"

#define WAIT_MAXIMUM 60			/* s */

/* Columns of LIST_CHANGES. */
enum
{
	COLUMN_CHANGES,
	COLUMN_COUNT,
	COLUMN_CUT,					/* t: there may be more, though there are fewer than the limit */
	COLUMN_POSITION,			/* to go on after */
	COLUMN_FIELD				/* not null: the chat has not come to the client's position */
};

/* Columns of GET_POSITIONS. */
enum
{
	COLUMN_APPLICATION,
	COLUMN_NUMBER,
	COLUMN_REVISION,
	COLUMN_IN_RECOVERY
};

static void find_position(Request *request, void (*read) (Request *request));

/* The client's position. */
static Position
position_of(Request *request)
{
	const Page *page = &call_of(request)->page;

	return (Position) {page->after.number > 0 ? page->after.number : 0, page->revision};
}

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
		find_position(request, call_read_primary);
		return;
	}
	if (page->limit_given)
		snprintf(limit, sizeof(limit), "limit=%d&", page->limit);
	snprintf(link, sizeof(link), "<?%safter=%s>; rel=\"next\"", limit, position);
	respond_ok(request, rows_text(rows, COLUMN_CHANGES), more ? link : NULL);
}

static void
read_changes(Request *request, void (*read) (Request *request))
{
	Position	position = position_of(request);
	int			limit = call_of(request)->page.limit;

	call_begin(request, LIST_CHANGES, answer, chat_not_found);
	call_add_token(request);
	call_add_number(request, path_chat(request));
	call_add_number(request, position.number);
	call_add_number(request, position.revision);
	call_add_number(request, limit);
	call_of(request)->query.max_rows = limit;
	read(request);
}

static void
take_for_poll(Request *request, int fd, const char *headers)
{
	const Page *page = &call_of(request)->page;
	Audience	audience = audience_of(request, fd, headers);

	if (fd >= 0)
		poll_open(&audience, path_chat(request), position_of(request), page->wait * 1000, page->limit);
}

/* Reads the changes if there are any, or waits for them. */
static void
answer_position(Request *request, const Rows *rows)
{
	Position	now = {rows_number(rows, 0, COLUMN_NUMBER), rows_number(rows, 0, COLUMN_REVISION)};
	Position	position = position_of(request);

	bool		in_recovery = rows_flag(rows, COLUMN_IN_RECOVERY);
	bool		from_primary = call_of(request)->query.from_primary;

	call_of(request)->application = rows_number(rows, 0, COLUMN_APPLICATION);
	/* A standby may have yet to see what was seen elsewhere: the primary knows. */
	if (position_exceeds(position, now) && in_recovery && !from_primary)
		find_position(request, call_read_primary);
	else if (position_exceeds(position, now) && !in_recovery)
		respond_text(request, MHD_HTTP_BAD_REQUEST, poll_lost(now));
	else if (position_exceeds(now, position) && !position_exceeds(position, now))
		read_changes(request, from_primary ? call_read_primary : call_read);
	else if (call_of(request)->page.wait == 0)
		respond_ok(request, strdup("[]"), NULL);
	else if (audience_has_room(request))
		respond_taken(request, take_for_poll);
}

static void
find_position(Request *request, void (*read) (Request *request))
{
	call_begin(request, GET_POSITIONS, answer_position, chat_not_found);
	call_add_token(request);
	call_add_number(request, path_chat(request));
	read(request);
}

void
changes_list(Request *request)
{
	Text		wait = {0};

	if (!page_read(request, PAGE_OF_CHANGES))
		return;
	if (query_parameters_read(request, (QueryParameter[]) {{"wait", &wait}}, 1))
		query_parameter_number(request, "wait", wait, 0, WAIT_MAXIMUM, &call_of(request)->page.wait);
	free(wait.bytes);
	if (request->status)
		return;
	if (path_chat(request) == 0)
		chat_not_found(request);
	else if (call_of(request)->page.wait > 0 && strcmp(request->method, "HEAD") != 0)
		find_position(request, call_read);
	else
		read_changes(request, call_read);
}
