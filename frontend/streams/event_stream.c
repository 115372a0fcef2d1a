/*
 * event_stream.c
 *		Streams of Server-Sent Events: of one chat, or of many chats of an application.
 *
 * Streams of one chat send the frames of their group as they are. Across chats each has texts
 * of its own, since an id has the positions of all chats.
 */
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "http/events.h"
#include "http/uri.h"
#include "streams/cursor_watch.h"
#include "streams/directory.h"
#include "streams/event_stream.h"
#include "streams/group.h"
#include "streams/permission.h"
#include "streams/stream.h"

#define LIFETIME (10 * 60 * 1000)	/* ms, from 0.8 to 1.2 times as long */

#define TYPICAL_EVENT 256		/* bytes, without its id */

/* The bytes of a chat's position with what separates it from another. */
#define ENTRY_SIZE (sizeof("2147483647:,") + POSITION_SIZE)

#define HEAD \
	"HTTP/1.1 200 OK\r\n" \
	"Content-Type: text/event-stream\r\n" \
	"Cache-Control: no-cache\r\n" \
	"X-Accel-Buffering: no\r\n" \
	"%s\r\nretry: %d\n\n"

typedef struct Chat
{
	Member		member;
	int			number;
	CursorViewer viewer[];		/* if cursors are wanted */
} Chat;

typedef struct EventStream
{
	Stream		stream;			/* first: it is freed as this */
	Permission *permission;		/* NULL: it needs none */
	bool		across;
	bool		cursors;		/* those of readers are wanted */
	Subscriber	subscriber;		/* to new chats, if all of an application are followed */
	int			count;
	Chat	  **chats;
	Chat	   *only;			/* what chats points to if there is room for one alone */
} EventStream;

static char *
append(char *end, const char *bytes, size_t length)
{
	memcpy(end, bytes, length);
	return end + length;
}

static EventStream *
stream_of(const Member *member)
{
	return member->owner;
}

static EventStream *
stream_of_subscriber(Subscriber *subscriber)
{
	return (EventStream *) ((char *) subscriber - offsetof(EventStream, subscriber));
}

int
positions_parse(const char *text, size_t length, FollowedChat *chats)
{
	const char *end = text + length;
	int			count = 0;

	while (text < end)
	{
		const char *comma = memchr(text, ',', end - text);
		const char *entry_end = comma ? comma : end;
		const char *colon = memchr(text, ':', entry_end - text);
		FollowedChat chat = {0};

		if (count == STREAM_CHATS || colon == NULL ||
			!uri_number(text, colon - text, 0, &chat.chat) ||
			!position_parse(colon + 1, entry_end - colon - 1, &chat.position))
			return -1;
		chats[count++] = chat;
		text = comma ? comma + 1 : end;
		if (comma && text == end)
			return -1;
	}
	return count;
}

/*
 * Writes the positions of some of the stream's chats, with a comma behind each. Returns the end
 * of the text, for which there is room, here and below.
 */
static char *
print_positions(char *text, const EventStream *stream, int from, int to)
{
	for (int i = from; i < to; i++)
	{
		const Chat *chat = stream->chats[i];

		if (chat->member.group == NULL)
			continue;
		text += sprintf(text, "%d:", chat->number);
		text += position_print(text, chat->member.position);
		*text++ = ',';
	}
	return text;
}

static char *
print_id(char *text, const EventStream *stream)
{
	char	   *end;

	if (!stream->across)
		return text + position_print(text, stream->only->member.position);
	end = print_positions(text, stream, 0, stream->count);
	/* An empty id would be none: who comes again would not have the chats that are new then. */
	return end > text ? end - 1 : text + sprintf(text, "0:0.0");
}

/* The bytes that an id of the stream may have. */
static size_t
id_size(const EventStream *stream)
{
	return (stream->count + 1) * ENTRY_SIZE;
}

/* The id of a stream, malloc'ed; NULL if out of memory. */
static char *
id_of(const EventStream *stream)
{
	char	   *text = malloc(id_size(stream));

	if (text)
		*print_id(text, stream) = '\0';
	return text;
}

/* The bytes that an event of one chat may have in a stream of many chats. */
static size_t
size_across(const EventStream *stream, const FrameEvent *event)
{
	return id_size(stream) + sizeof("id: \n{\"chat_number\":2147483647,") + event->end - event->rest;
}

/*
 * What the first events of a group's frame are for a stream of many chats: their ids differ in
 * the position of one chat alone. If there are none, the text only moves the position. NULL if
 * out of memory.
 */
static Frame *
frame_across(const EventStream *stream, const Chat *chat, const Frame *frame, int count)
{
	size_t		size = id_size(stream) + sizeof("id: \n\n");
	char	   *others = malloc(id_size(stream));	/* the positions of the other chats */
	char	   *behind;			/* where those behind this chat begin */
	char	   *others_end;
	char	   *text;
	char	   *end;
	int			index = 0;

	for (int i = 0; i < count; i++)
		size += size_across(stream, &frame->events[i]);
	text = malloc(size);
	if (others == NULL || text == NULL)
	{
		free(others);
		free(text);
		return NULL;
	}
	while (stream->chats[index] != chat)
		index++;
	behind = print_positions(others, stream, 0, index);
	others_end = print_positions(behind, stream, index + 1, stream->count);
	end = text;
	for (int i = 0; i < count; i++)
	{
		const FrameEvent *event = &frame->events[i];

		end = append(append(end, "id: ", 4), others, behind - others);
		end += sprintf(end, "%d:", chat->number);
		end += position_print(end, event->position);
		if (others_end > behind)
			end = append(append(end, ",", 1), behind, others_end - behind - 1);
		*end++ = '\n';
		end = append(end, frame->text + event->rest, event->message - event->rest);
		end += sprintf(end, "{\"chat_number\":%d,", chat->number);
		end = append(end, frame->text + event->message + 1, event->end - event->message - 1);
	}
	if (count == 0)
		end = append(print_id(append(end, "id: ", 4), stream), "\n\n", 2);
	free(others);
	return frame_of_bytes(stream->stream.share, text, end - text);
}

/* Those of one chat only refer to what all of its streams send. */
static bool
has_room(Member *member)
{
	EventStream *stream = stream_of(member);

	return stream_has_room(&stream->stream) &&
		(!stream->across || share_has_room(member->share, MEMORY_OF_STREAMS, FRAME_ROOM));
}

static int
page(Member *member)
{
	const EventStream *stream = stream_of(member);

	return stream->across ? 1 + FRAME_ROOM / (int) (id_size(stream) + TYPICAL_EVENT) : INT_MAX;
}

static int
portion(Member *member, const Frame *frame)
{
	const EventStream *stream = stream_of(member);
	size_t		size = 0;
	int			count = 0;

	if (!stream->across)
		return frame->count;
	do
		size += size_across(stream, &frame->events[count++]);
	while (count < frame->count && size < FRAME_ROOM);
	return count;
}

static Taken
take(Member *member, Frame *frame, int count)
{
	EventStream *stream = stream_of(member);
	Frame	   *own = stream->across ? frame_across(stream, (Chat *) member, frame, count) : NULL;
	size_t		length = own ? own->length : 0;

	if (!stream_send(&stream->stream, stream->across ? own : frame_refer(frame)))
		return (Taken) {0};
	return (Taken) {count, length};
}

#define RESET \
	"event: reset\ndata: {%s\"position\":\"%s\",\"error\":\"The chat has lost changes that were seen, as after a backup was " \
	"restored. Read its messages anew; changes after this position follow.\"}\n\n"
#define RESET_SIZE (sizeof(RESET) + sizeof("\"chat_number\":2147483647,") + POSITION_SIZE)

/* Writes that a chat's history is another than the client's. Returns the end of the text, for which there is room. */
static char *
print_reset(char *text, const EventStream *stream, const Chat *chat)
{
	char		position[POSITION_SIZE];
	char		number[sizeof("\"chat_number\":2147483647,")] = "";

	position_print(position, chat->member.position);
	if (stream->across)
		sprintf(number, "\"chat_number\":%d,", chat->number);
	return text + sprintf(text, RESET, number, position);
}

static void
reset(Member *member)
{
	EventStream *stream = stream_of(member);
	char	   *id = id_of(stream);
	char		text[RESET_SIZE];

	print_reset(text, stream, (Chat *) member);
	stream_send(&stream->stream, id == NULL ? NULL : frame_of_text(stream->stream.share, "id: %s\n%s", id, text));
	free(id);
}

/* Has it a chat, or may it get one? */
static bool
follows_anything(const EventStream *stream)
{
	bool		any = stream->subscriber.directory != NULL;

	for (int i = 0; i < stream->count && !any; i++)
		any = stream->chats[i]->member.group != NULL;
	return any;
}

static void
gone(Member *member)
{
	EventStream *stream = stream_of(member);

	if (stream->across)
		stream_send(&stream->stream,
					frame_of_text(stream->stream.share, "event: gone\ndata: {\"chat_number\":%d}\n\n", ((Chat *) member)->number));
	/* It may be created anew before the next list. */
	stream->subscriber.knows_all = false;
	if (!follows_anything(stream))
		stream_close(&stream->stream);
}

static void
take_cursors(CursorViewer *viewer, Frame *frame)
{
	EventStream *stream = viewer->owner;

	if (stream_has_room(&stream->stream))
		stream_send(&stream->stream, frame_refer(frame));
	else
		viewer->needs_all = true;
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
	EventStream *events = (EventStream *) stream;

	for (int i = 0; i < events->count; i++)
	{
		group_resume(&events->chats[i]->member);
		if (events->cursors)
			cursors_show(events->chats[i]->viewer);
	}
}

static void
expired(Stream *stream)
{
	stream_close(stream);
}

static void
ended(Stream *stream)
{
	EventStream *events = (EventStream *) stream;

	permission_close(events->permission);
	directory_leave(&events->subscriber);
	for (int i = 0; i < events->count; i++)
	{
		group_leave(&events->chats[i]->member);
		if (events->cursors)
			cursors_leave(events->chats[i]->viewer);
		free(events->chats[i]);
	}
	if (events->chats != &events->only)
		free(events->chats);
	stream_free_later(stream);
}

static const StreamOwner owner = {
	.resumed = resumed,
	.expired = expired,
	.ended = ended
};

/* The client may not follow any more. When it comes again it is told so. */
static void
forbidden(void *stream)
{
	stream_close(stream);
}

/* Sends the head, and what comes before the changes: all in one, however many resets there are. */
static void
send_start(EventStream *stream, const char *headers, const FollowedChat *chats)
{
	char	   *id = id_of(stream);
	char	   *resets = malloc(stream->count * RESET_SIZE + 1);
	char	   *end = resets;

	for (int i = 0; resets && i < stream->count; i++)
		if (chats[i].is_reset)
			end = print_reset(end, stream, stream->chats[i]);
	if (resets)
		*end = '\0';
	stream_send(&stream->stream, id == NULL || resets == NULL ? NULL :
				frame_of_text(stream->stream.share, HEAD "id: %s\n%sevent: ready\ndata: {\"position\":\"%s\"}\n\n",
							  headers, events_retry(), id, resets, id));
	free(resets);
	free(id);
	for (int i = 0; i < stream->count && stream->cursors; i++)
		cursors_show(stream->chats[i]->viewer);
}

/* Follows one chat more. Returns false if out of memory. */
static bool
add_chat(EventStream *stream, const Audience *audience, int number, Position position)
{
	Chat	   *chat = calloc(1, sizeof(Chat) + (stream->cursors ? sizeof(CursorViewer) : 0));

	if (chat == NULL)
		return false;
	chat->number = number;
	chat->member = (Member) {.follower = &follower, .owner = stream, .share = stream->stream.share};
	stream->chats[stream->count++] = chat;
	if (stream->cursors)
	{
		*chat->viewer = (CursorViewer) {.take = take_cursors, .owner = stream, .share = stream->stream.share};
		if (!cursors_join(chat->viewer, audience, number))
			return false;
	}
	return group_join(&chat->member, audience, number, position);
}

/* The application has this chat. If it is new, all of its messages are. */
static void
found_chat(Subscriber *subscriber, const Audience *application, int number)
{
	EventStream *stream = stream_of_subscriber(subscriber);

	for (int i = 0; i < stream->count; i++)
	{
		Chat	   *chat = stream->chats[i];

		if (chat->number != number)
			continue;
		/* One that was deleted may have been created anew. */
		if (chat->member.group == NULL && !group_join(&chat->member, application, number, (Position) {0}))
			stream_close(&stream->stream);
		return;
	}
	if (stream->count == STREAM_CHATS || !add_chat(stream, application, number, (Position) {0}))
		stream_close(&stream->stream);
	else if (stream->cursors)
		cursors_show(stream->chats[stream->count - 1]->viewer);
}

/* The application is no more. */
static void
lost_application(Subscriber *subscriber)
{
	stream_close(&stream_of_subscriber(subscriber)->stream);
}

/* Gets all that the stream needs. Returns false if out of memory. */
static bool
equip(EventStream *stream, const Audience *audience, const FollowedChat *chats, int count, StreamScope scope)
{
	stream->chats = scope == STREAM_ONE ? &stream->only : calloc(scope == STREAM_ALL ? STREAM_CHATS : count, sizeof(Chat *));
	if (stream->chats == NULL)
		return false;
	if (!permission_open(&stream->permission, audience->grant, forbidden, stream))
		return false;
	for (int i = 0; i < count; i++)
		if (!add_chat(stream, audience, chats[i].chat, chats[i].position))
			return false;
	stream->subscriber.found = found_chat;
	stream->subscriber.gone = lost_application;
	return scope != STREAM_ALL || directory_join(&stream->subscriber, audience);
}

void
event_stream_open(const Audience *audience, const FollowedChat *chats, int count, StreamScope scope, bool cursors)
{
	EventStream *stream = calloc(1, sizeof(EventStream));

	if (stream == NULL)
	{
		close(audience->fd);
		return;
	}
	stream->across = scope != STREAM_ONE;
	stream->cursors = cursors;
	stream_open(&stream->stream, &owner, audience->fd, audience->share, LIFETIME * 4 / 5 + random() % (LIFETIME * 2 / 5));
	if (equip(stream, audience, chats, count, scope))
		send_start(stream, audience->headers, chats);
	else
		stream_send(&stream->stream, NULL);
}
