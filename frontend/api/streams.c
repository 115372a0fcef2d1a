/*
 * streams.c
 *		Handlers of streams of changes.
 *
 * A handler finds out where the chats are, and has the socket taken over (streams/).
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "access/refusal.h"
#include "api/audience_of.h"
#include "api/call.h"
#include "api/following.h"
#include "api/handlers.h"
#include "api/message_answer.h"
#include "http/response.h"
#include "streams/event_stream.h"

/* Columns of the statements that return positions; the last is of those across chats only, and null if there is none. */
enum
{
	COLUMN_APPLICATION,
	COLUMN_NUMBER,
	COLUMN_REVISION,
	COLUMN_IN_RECOVERY,
	COLUMN_CHAT
};

/* Where a row says that its chat is. */
static Position
position_in(const Rows *rows, int row)
{
	return (Position) {rows_number(rows, row, COLUMN_NUMBER), rows_number(rows, row, COLUMN_REVISION)};
}

/*
 * Has a chat followed from where it is, unless the client has a position. One beyond the chat's own
 * is of a history that is lost; or this is a standby, which has yet to see it.
 */
static void
settle(FollowedChat *chat, Position now, bool in_recovery)
{
	chat->is_reset = chat->given && !in_recovery && position_exceeds(chat->position, now);
	if (!chat->given || chat->is_reset)
		chat->position = now;
}

static bool
is_in_recovery(const Rows *rows)
{
	return *PQgetvalue(rows->result, rows->first, COLUMN_IN_RECOVERY) == 't';
}

static void
take_for_stream(Request *request, int fd, const char *headers)
{
	const Following *following = call_of(request)->following;
	Audience	audience = audience_of(request, fd, headers);

	if (fd >= 0)
		event_stream_open(&audience, following->chats, following->count,
						  !following->across ? STREAM_ONE : following->list ? STREAM_SOME : STREAM_ALL, following->cursors);
}

/* The client has its stream. */
static void
open_stream(Request *request)
{
	if (strcmp(request->method, "HEAD") == 0)
		respond_events(request, strdup(""));
	else if (audience_has_room(request))
		respond_taken(request, take_for_stream);
}

/*
 * Does the client have a position beyond what a standby has of its chat? Then only the primary can tell whether
 * there is such a position.
 */
static bool
is_beyond_standby(Request *request, const Rows *rows)
{
	const Following *following = call_of(request)->following;

	if (call_of(request)->query.from_primary || rows->count == 0 || !is_in_recovery(rows))
		return false;
	for (int row = 0; row < rows->count; row++)
		for (int i = 0; i < following->count; i++)
		{
			const FollowedChat *chat = &following->chats[i];

			if ((!following->across || chat->chat == rows_number(rows, row, COLUMN_CHAT)) && chat->given &&
				position_exceeds(chat->position, position_in(rows, row)))
				return true;
		}
	return false;
}

static void find_chat(Request *request, void (*read) (Request *request));
static void find_chats(Request *request, void (*read) (Request *request));

static void
answer_chat(Request *request, const Rows *rows)
{
	Following  *following = call_of(request)->following;

	if (is_beyond_standby(request, rows))
	{
		find_chat(request, call_read_primary);
		return;
	}
	call_of(request)->application = rows_number(rows, 0, COLUMN_APPLICATION);
	settle(&following->chats[0], position_in(rows, 0), is_in_recovery(rows));
	open_stream(request);
}

static void
find_chat(Request *request, void (*read) (Request *request))
{
	call_begin(request, GET_POSITIONS, answer_chat, chat_not_found);
	call_add_token(request);
	call_add_number(request, path_chat(request));
	read(request);
}

void
chat_stream(Request *request)
{
	if (following_read_stream(request, false) == NULL)
		return;
	if (path_chat(request) == 0)
	{
		chat_not_found(request);
		return;
	}
	find_chat(request, call_read);
}

/* The chat of a row, which is added unless it was named. NULL if they are too many. */
static FollowedChat *
chat_in(Following *following, const Rows *rows, int row)
{
	int			number = rows_number(rows, row, COLUMN_CHAT);

	for (int i = 0; i < following->count; i++)
		if (following->chats[i].chat == number)
			return &following->chats[i];
	if (following->count == STREAM_CHATS)
		return NULL;
	following->chats[following->count].chat = number;
	return &following->chats[following->count++];
}

/* Drops the chats that were not found: if they were named, that is an error, and false is returned. */
static bool
drop_missing(Request *request, const bool *found)
{
	Following  *following = call_of(request)->following;
	int			count = 0;

	for (int i = 0; i < following->count; i++)
	{
		if (found[i])
			following->chats[count++] = following->chats[i];
		else if (following->named)
		{
			respond_error(request, MHD_HTTP_NOT_FOUND, "Chat with number %d not found", following->chats[i].chat);
			return false;
		}
	}
	following->count = count;
	return true;
}

static void
answer_chats(Request *request, const Rows *rows)
{
	Following  *following = call_of(request)->following;
	bool		found[STREAM_CHATS] = {false};

	if (is_beyond_standby(request, rows))
	{
		find_chats(request, call_read_primary);
		return;
	}
	if (rows->count == 0)
	{
		application_missing(request);
		return;
	}
	call_of(request)->application = rows_number(rows, 0, COLUMN_APPLICATION);
	for (int row = 0; row < rows->count; row++)
	{
		FollowedChat *chat;

		if (PQgetisnull(rows->result, rows->first + row, COLUMN_CHAT))
			continue;
		chat = chat_in(following, rows, row);
		if (chat == NULL)
		{
			respond_error(request, MHD_HTTP_BAD_REQUEST,
						  "The application has more than %d chats: name those to follow by 'chats'.", STREAM_CHATS);
			return;
		}
		/* Who follows all chats, and comes again, has all but new ones. */
		chat->given = chat->given || (following->resumes && following->list == NULL);
		settle(chat, position_in(rows, row), is_in_recovery(rows));
		found[chat - following->chats] = true;
	}
	if (drop_missing(request, found))
		open_stream(request);
}

/*
 * Has a user follow no other chats than the user's own. Responds and returns false if others were
 * named.
 */
static bool
keep_to_own(Request *request)
{
	Following  *following = call_of(request)->following;
	const Grant *grant = visit_grant(request);

	if (grant == NULL || grant->user == NULL || grant->all_chats)
		return true;
	for (int i = 0; following->named && i < following->count; i++)
		if (!grant_has_chat(grant, following->chats[i].chat))
		{
			refuse_insufficient(request, SCOPE_READ, "The credential is not for all of these chats.");
			return false;
		}
	if (!following->named && !following_restrict(following, grant->chats, grant->chat_count))
	{
		respond_error(request, MHD_HTTP_BAD_REQUEST,
					  "The credential is for more than %d chats: name those to follow by 'chats'.", STREAM_CHATS);
		return false;
	}
	return true;
}

static void
find_chats(Request *request, void (*read) (Request *request))
{
	const Following *following = call_of(request)->following;

	call_begin(request, GET_CHATS_POSITIONS, answer_chats, application_missing);
	call_add_token(request);
	if (following->list)
		call_add_text(request, following->list, strlen(following->list));
	else
		call_add_number(request, 0);
	call_add_number(request, STREAM_CHATS + 1);
	read(request);
}

void
application_stream(Request *request)
{
	if (following_read_stream(request, true) && keep_to_own(request))
		find_chats(request, call_read);
}
