/*
 * poll.c
 *		A client that waits for the next changes of a chat, and has them as one response.
 *
 * While it waits it is a stream that sends nothing. Its socket is its own, so that one that waits
 * for long costs the others nothing; the connection ends with the response.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/json_writer.h"
#include "http/error_body.h"
#include "http/problem_details.h"
#include "streams/group.h"
#include "streams/permission.h"
#include "streams/poll.h"
#include "streams/stream.h"

#define HEAD \
	"HTTP/1.1 %u %s\r\n" \
	"Content-Type: %s\r\n" \
	"Content-Length: %zu\r\n" \
	"%s\r\n%s"

typedef struct Poll
{
	Stream		stream;			/* first: it is freed as this */
	Permission *permission;		/* NULL: it needs none */
	char	   *headers;
	bool		wants_problems; /* see Audience */
	int			limit;			/* of changes */
	Member		member;
} Poll;

/* The first changes of a frame as the body of a response, malloc'ed; NULL if out of memory. */
static char *
body_of(const Frame *frame, int count)
{
	char		position[POSITION_SIZE];
	Json		json = {0};

	json_open(&json, '[');
	for (int i = 0; i < count; i++)
	{
		const FrameEvent *event = &frame->events[i];

		position_print(position, event->position);
		json_open(&json, '{');
		json_member_text(&json, "position", position, strlen(position));
		json_member_text(&json, "event", event->name, strlen(event->name));
		json_member_value(&json, "message", frame->text + event->message, event->message_end - event->message);
		json_close(&json, '}');
	}
	json_close(&json, ']');
	return json_end(&json);
}

/* Responds with a body, which is freed; NULL: there was no memory for it. */
static void
respond(Poll *poll, unsigned status, char *body)
{
	const char *type = "application/json; charset=utf-8";

	if (body && status >= MHD_HTTP_BAD_REQUEST && poll->wants_problems)
	{
		body = problem_details_body(status, body);
		type = PROBLEM_TYPE;
	}
	stream_send(&poll->stream, body == NULL ? NULL :
				frame_of_text(poll->stream.share, HEAD, status, MHD_get_reason_phrase_for(status), type, strlen(body), poll->headers, body));
	free(body);
	stream_close(&poll->stream);
}

/* One that has been answered takes anything, and does nothing. */
static bool
has_room(Member *member)
{
	Poll	   *poll = member->owner;

	return poll->stream.closing || share_has_room(member->share, MEMORY_OF_STREAMS, FRAME_ROOM);
}

static int
page(Member *member)
{
	return ((Poll *) member->owner)->limit;
}

/* It has done with the chat when it has taken some. */
static int
portion(Member *member, const Frame *frame)
{
	(void) member;
	return frame->count;
}

static Taken
take(Member *member, Frame *frame, int count)
{
	Poll	   *poll = member->owner;
	char	   *body;
	size_t		length;

	/* Nothing that its client has not seen: it waits on, from there. */
	if (count == 0 || poll->stream.closing)
		return (Taken) {0};
	if (count > poll->limit)
		count = poll->limit;
	body = body_of(frame, count);
	length = body ? strlen(body) : 0;
	respond(poll, MHD_HTTP_OK, body);
	return (Taken) {count, length};
}

static void
reset(Member *member)
{
	respond(member->owner, MHD_HTTP_BAD_REQUEST, poll_lost(member->position));
}

static void
gone(Member *member)
{
	respond(member->owner, MHD_HTTP_NOT_FOUND, error_body("Chat not found"));
}

static const Follower follower = {
	.has_room = has_room,
	.page = page,
	.portion = portion,
	.take = take,
	.reset = reset,
	.gone = gone
};

static void
resumed(Stream *stream)
{
	(void) stream;
}

/* Nothing has changed. */
static void
expired(Stream *stream)
{
	respond((Poll *) stream, MHD_HTTP_OK, strdup("[]"));
}

/* The client may not wait any more. When it comes again it is told so. */
static void
forbidden(void *poll)
{
	stream_send(poll, NULL);
}

static void
ended(Stream *stream)
{
	Poll	   *poll = (Poll *) stream;

	permission_close(poll->permission);
	free(poll->headers);
	group_leave(&poll->member);
	stream_free_later(stream);
}

static const StreamOwner owner = {
	.resumed = resumed,
	.expired = expired,
	.ended = ended
};

void
poll_open(const Audience *audience, int chat, Position position, int wait, int limit)
{
	Poll	   *poll = calloc(1, sizeof(Poll));
	bool		complete;

	if (poll == NULL)
	{
		close(audience->fd);
		return;
	}
	poll->stream.silent = true;
	poll->limit = limit;
	poll->wants_problems = audience->wants_problems;
	poll->member = (Member) {.follower = &follower, .owner = poll, .share = audience->share};
	stream_open(&poll->stream, &owner, audience->fd, audience->share, wait);
	poll->headers = strdup(audience->headers);
	complete = permission_open(&poll->permission, audience->grant, forbidden, poll);
	if (poll->headers == NULL || !complete || !group_join(&poll->member, audience, chat, position))
		stream_send(&poll->stream, NULL);
}

char *
poll_lost(Position position)
{
	char		text[POSITION_SIZE];
	const char *error = "Query parameter 'after' is a position that the chat does not have, as after a backup was restored. Read its messages anew, then its changes after this position.";
	Json		json = {0};

	position_print(text, position);
	json_open(&json, '{');
	json_member_text(&json, "error", error, strlen(error));
	json_member_text(&json, "position", text, strlen(text));
	json_close(&json, '}');
	return json_end(&json);
}
