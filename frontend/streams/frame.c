/*
 * frame.c
 *		Text for streams, shared by those that are to send it.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "streams/frame.h"

#define CREATED "created"

static size_t released;			/* bytes, since it was asked */

/* A part of a text. */
typedef struct Piece
{
	const char *start;
	size_t		length;
} Piece;

/* Makes a frame whose text, malloc'ed, is taken over. */
static Frame *
make(Share *share, char *text, size_t length, int count)
{
	Frame	   *frame = text ? calloc(1, sizeof(Frame) + count * sizeof(FrameEvent)) : NULL;

	if (frame == NULL)
	{
		free(text);
		return NULL;
	}
	frame->references = 1;
	frame->events = (FrameEvent *) (frame + 1);
	frame->count = count;
	frame->text = text;
	frame->length = length;
	frame->share = share;
	share_hold(share);
	share_take(share, MEMORY_OF_STREAMS, length);
	return frame;
}

static char *
append(char *end, const char *bytes, size_t length)
{
	memcpy(end, bytes, length);
	return end + length;
}

static char *
append_text(char *end, const char *text)
{
	return append(end, text, strlen(text));
}

/* The end of a JSON object, which is valid. */
static const char *
object_end(const char *json)
{
	int			depth = 0;
	bool		in_text = false;

	for (;; json++)
	{
		if (in_text)
		{
			json += strcspn(json, "\"\\");
			if (*json == '\\')
				json++;
			else
				in_text = false;
		}
		else if (*json == '"')
			in_text = true;
		else if (*json == '{')
			depth++;
		else if (*json == '}' && --depth == 0)
			return json + 1;
		if (*json == '\0')
			return json;
	}
}

/* Finds the text of a member, after its name up to the next quote, and moves behind it. */
static Piece
take_member(const char **json, const char *name)
{
	const char *found = strstr(*json, name);
	Piece		piece = {.start = found ? found + strlen(name) : ""};

	piece.length = strcspn(piece.start, "\"");
	*json = piece.start + piece.length;
	return piece;
}

static const char *
name_of(Piece event)
{
	static const char *const names[] = {CREATED, "updated", "deleted"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strlen(names[i]) == event.length && memcmp(names[i], event.start, event.length) == 0)
			return names[i];
	return "changed";
}

/*
 * Appends the event of a change, and moves behind it in the array. A new message is the event that
 * needs no name.
 */
static char *
append_event(char *end, const char *text, FrameEvent *event, const char **changes)
{
	Piece		position = take_member(changes, "{\"position\":\"");
	Piece		name = take_member(changes, "\"event\":\"");
	const char *message = strchr(*changes, '{');

	*changes = message ? object_end(message) : *changes;
	event->name = name_of(name);
	position_parse(position.start, position.length, &event->position);
	event->id = end - text;
	end = append_text(append(append_text(end, "id: "), position.start, position.length), "\n");
	event->rest = end - text;
	if (strcmp(event->name, CREATED) != 0)
		end = append_text(append_text(append_text(end, "event: "), event->name), "\n");
	end = append_text(end, "data: ");
	event->message = end - text;
	if (message)
		end = append(end, message, *changes - message);
	event->message_end = end - text;
	end = append_text(end, "\n\n");
	event->end = end - text;
	return end;
}

Frame *
frame_of_changes(const char *changes, int count, Position end, Share *share)
{
	/* The names of the fields are shorter than those of the members. */
	char	   *text = malloc(strlen(changes) + count * sizeof("event: changed\n") + POSITION_SIZE + sizeof("id: \n\n"));
	char	   *text_end = text;
	Frame	   *frame = make(share, text, 0, count);

	if (frame == NULL)
		return NULL;
	frame->end = end;
	for (int i = 0; i < count; i++)
		text_end = append_event(text_end, text, &frame->events[i], &changes);
	if (count == 0)
	{
		/* An event without data is none, and yet moves the position of an EventSource. */
		text_end = append_text(text_end, "id: ");
		text_end += position_print(text_end, end);
		text_end = append_text(text_end, "\n\n");
	}
	frame->length = text_end - text;
	share_take(share, MEMORY_OF_STREAMS, frame->length);
	return frame;
}

Frame *
frame_of_text(Share *share, const char *format,...)
{
	char	   *text;
	va_list		arguments;
	int			length;

	va_start(arguments, format);
	length = vasprintf(&text, format, arguments);
	va_end(arguments);
	return length < 0 ? NULL : make(share, text, length, 0);
}

Frame *
frame_of_bytes(Share *share, char *text, size_t length)
{
	return make(share, text, length, 0);
}

Frame *
frame_refer(Frame *frame)
{
	frame->references++;
	return frame;
}

void
frame_release(Frame *frame)
{
	if (--frame->references > 0)
		return;
	released += frame->length;
	share_give(frame->share, MEMORY_OF_STREAMS, frame->length);
	share_release(frame->share);
	free(frame->text);
	free(frame);
}

bool
frames_gave_room(void)
{
	bool		enough = released >= FRAME_ROOM;

	if (enough)
		released = 0;
	return enough;
}
