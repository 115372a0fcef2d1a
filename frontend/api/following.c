/*
 * following.c
 *		What a client wants to follow, and from where on.
 */
#include <stdlib.h>
#include <string.h>

#include "api/call.h"
#include "api/following.h"
#include "api/query_flag.h"
#include "api/query_parameters.h"
#include "http/response.h"

#define POSITION_HELP "a position, NUMBER.REVISION, as events and lists of changes have it"

/* Frees what the call follows. */
static void
release(Request *request)
{
	Following  *following = call_of(request)->following;

	free(following->last_event_id.bytes);
	free(following->chats_text.bytes);
	free(following->list);
	free(following);
}

/* Parses the query, across chats with the chats. Returns NULL, and has responded, if it is invalid. */
static Following *
read_query(Request *request, bool across)
{
	Following  *following = calloc(1, sizeof(Following));

	call_of(request)->following = following;
	if (following == NULL)
	{
		respond_unavailable(request, "Out of memory.");
		return NULL;
	}
	call_of(request)->release = release;
	return query_parameters_read(request, (QueryParameter[]) {
		{"last_event_id", &following->last_event_id},
		{"chats", &following->chats_text}
	}, across ? 2 : 1) ? following : NULL;
}

/* Where a stream goes on: the header wins. NULL: from now. */
static const char *
last_event_id(Request *request, const Following *following)
{
	const char *header = MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, "Last-Event-ID");
	const char *text = header && *header ? header : following->last_event_id.bytes;

	return text && *text ? text : NULL;
}

/* The chat of a number; NULL if it is not followed. */
static FollowedChat *
find_chat(Following *following, int number)
{
	for (int i = 0; i < following->count; i++)
		if (following->chats[i].chat == number)
			return &following->chats[i];
	return NULL;
}

/* Parses the numbers of chats, separated by commas. Returns false if they are invalid. */
static bool
read_chats(Following *following)
{
	const char *text = following->chats_text.bytes;
	const char *end = text + following->chats_text.length;
	int			numbers[STREAM_CHATS];
	int			count = 0;

	for (;;)
	{
		const char *comma = memchr(text, ',', end - text);

		if (count == STREAM_CHATS || !uri_number(text, (comma ? comma : end) - text, 1, &numbers[count]) ||
			find_chat(following, numbers[count]))
			return false;
		following->chats[following->count++].chat = numbers[count++];
		if (comma == NULL)
			break;
		text = comma + 1;
	}
	following->named = true;
	return following_restrict(following, numbers, count);
}

/*
 * Gives chats the positions that the client has. If the client named the chats, positions of others
 * do not matter.
 */
static bool
read_positions(Following *following, const char *text)
{
	FollowedChat *positions = calloc(STREAM_CHATS, sizeof(FollowedChat));
	int			count = positions ? positions_parse(text, strlen(text), positions) : -1;
	bool		valid = count >= 0;

	for (int i = 0; i < count && valid; i++)
	{
		FollowedChat *chat = find_chat(following, positions[i].chat);

		if (chat == NULL && !following->named)
			chat = &following->chats[following->count++];
		if (chat == NULL)
			continue;
		valid = !chat->given;
		*chat = positions[i];
		chat->given = true;
	}
	free(positions);
	return valid;
}

Following *
following_read_stream(Request *request, bool across)
{
	Following  *following = read_query(request, across);
	const char *text;
	bool		valid = true;

	if (following == NULL || !query_flag(request, "cursors", &following->cursors))
		return NULL;
	following->across = across;
	if (!across)
	{
		following->count = 1;
		following->chats[0].chat = path_chat(request);
	}
	else if (following->chats_text.bytes && !read_chats(following))
	{
		respond_error(request, MHD_HTTP_BAD_REQUEST,
					  "Query parameter 'chats' must be the numbers of different chats, separated by commas, %d at most.", STREAM_CHATS);
		return NULL;
	}
	text = last_event_id(request, following);
	following->resumes = text != NULL;
	if (text && across)
		valid = read_positions(following, text);
	else if (text)
		valid = following->chats[0].given = position_parse(text, strlen(text), &following->chats[0].position);
	if (!valid)
		respond_error(request, MHD_HTTP_BAD_REQUEST, "The last event's id must be %s.",
					  across ? "as events have it: CHAT:NUMBER.REVISION, separated by commas" : POSITION_HELP);
	return valid ? following : NULL;
}

char *
chats_array(const int *chats, int count)
{
	Json		array = {0};

	json_open(&array, '{');
	for (int i = 0; i < count; i++)
		json_number(&array, chats[i]);
	json_close(&array, '}');
	return json_end(&array);
}

bool
following_restrict(Following *following, const int *chats, int count)
{
	if (count > STREAM_CHATS)
		return false;
	following->list = chats_array(chats, count);
	return following->list != NULL;
}
