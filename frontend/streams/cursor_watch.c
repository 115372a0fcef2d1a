/*
 * cursor_watch.c
 *		The cursors of a chat, for those who want to see who has read how far.
 *
 * The cursors of a chat are read as a whole when one may have moved, and compared with
 * what was read before. Viewers are told in slices, since there may be many, and while they
 * are told nothing is read: so cursors that move often are told of less often.
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/loop.h"
#include "db/reads.h"
#include "streams/cursor_watch.h"
#include "streams/topic.h"

#define READERS 1000			/* of a chat whose cursors are seen: the first by name */
#define READ_EVERY 10			/* ticks: a hint may be lost */
#define SLICE_VIEWERS 256		/* that are told in one iteration of the loop */

/* Columns of LIST_CURSORS. */
enum
{
	READER,						/* JSON */
	NUMBER
};

/* A cursor that was read. */
typedef struct Cursor
{
	int			number;
	uint32_t	start;			/* offsets in the frame's text: the event */
	uint32_t	reader;			/* the reader's name, JSON */
	uint32_t	reader_end;
	uint32_t	end;
} Cursor;

typedef struct CursorWatch
{
	Topic	   *topic;			/* held */
	CursorViewer *first;
	Query		query;
	bool		reading;		/* the query is in flight */
	bool		due;			/* it is to be read again as soon as that is done */
	bool		stale;			/* it is to be read at the next tick */
	int			ticks;			/* since it was read */
	Frame	   *all;			/* events of all cursors; NULL: not read yet */
	Cursor	   *cursors;		/* in it */
	int			count;
	Frame	   *moved;			/* events of those that moved; NULL: none */
	bool		telling;		/* viewers are being told */
	CursorViewer *next_viewer;	/* the next to be told */
	struct CursorWatch *next;	/* of all */
	struct CursorWatch *previous;
	struct CursorWatch *next_telling;
} CursorWatch;

static CursorWatch *watches;
static CursorWatch *telling;

/* Frees a watch that nobody looks at any more, unless it is in use. */
static void
watch_end(CursorWatch *watch)
{
	if (watch->first || watch->reading || watch->telling)
		return;
	if (watch->next)
		watch->next->previous = watch->previous;
	if (watch->previous)
		watch->previous->next = watch->next;
	else
		watches = watch->next;
	watch->topic->cursors = NULL;
	topic_release(watch->topic);
	if (watch->all)
		frame_release(watch->all);
	free(watch->cursors);
	free(watch);
}

/* What a cursor takes in a text, at most, besides the reader's name. */
#define EVENT_SIZE sizeof("event: cursor\ndata: {\"chat_number\":2147483647,\"reader\":,\"number\":2147483647}\n\n")

/* Writes the event of a cursor, which is null if it is no more; returns the end of the text. */
static char *
print_event(char *text, int chat, const char *reader, size_t length, int number)
{
	text += sprintf(text, "event: cursor\ndata: {\"chat_number\":%d,\"reader\":", chat);
	memcpy(text, reader, length);
	text += length;
	return text + (number < 0 ? sprintf(text, ",\"number\":null}\n\n") : sprintf(text, ",\"number\":%d}\n\n", number));
}

/* Reads all cursors from rows into a frame and an array. NULL if out of memory. */
static Frame *
frame_of_rows(const CursorWatch *watch, const Rows *rows, Share *share, Cursor **cursors)
{
	size_t		size = 1;
	char	   *text;
	char	   *end;

	for (int row = 0; row < rows->count; row++)
		size += EVENT_SIZE + PQgetlength(rows->result, rows->first + row, READER);
	text = end = malloc(size);
	*cursors = calloc(rows->count + 1, sizeof(Cursor));
	if (text == NULL || *cursors == NULL)
	{
		free(text);
		free(*cursors);
		return NULL;
	}
	for (int row = 0; row < rows->count; row++)
	{
		Cursor	   *cursor = &(*cursors)[row];
		const char *reader = PQgetvalue(rows->result, rows->first + row, READER);
		size_t		length = PQgetlength(rows->result, rows->first + row, READER);

		cursor->number = rows_number(rows, row, NUMBER);
		cursor->start = end - text;
		cursor->reader = cursor->start + snprintf(NULL, 0, "event: cursor\ndata: {\"chat_number\":%d,\"reader\":", watch->topic->chat);
		cursor->reader_end = cursor->reader + length;
		end = print_event(end, watch->topic->chat, reader, length, cursor->number);
		cursor->end = end - text;
	}
	return frame_of_bytes(share, text, end - text);
}

/* The place of a reader among those that were read before, from one on; count if it is not there. */
static int
find_reader(const CursorWatch *watch, int from, const char *reader, size_t length)
{
	for (int i = from; i < watch->count; i++)
	{
		const Cursor *cursor = &watch->cursors[i];

		if (cursor->reader_end - cursor->reader == length && memcmp(watch->all->text + cursor->reader, reader, length) == 0)
			return i;
	}
	return watch->count;
}

/* Writes the events of cursors that are no more, from one on and before another. */
static char *
print_gone(char *text, const CursorWatch *watch, int from, int to)
{
	for (int i = from; i < to; i++)
	{
		const Cursor *cursor = &watch->cursors[i];

		text = print_event(text, watch->topic->chat, watch->all->text + cursor->reader, cursor->reader_end - cursor->reader, -1);
	}
	return text;
}

/*
 * The events of what differs between the cursors that were read before and now, which have the same order.
 * NULL if nothing does, or out of memory.
 */
static Frame *
frame_of_difference(const CursorWatch *watch, const Frame *all, const Cursor *cursors, int count, Share *share)
{
	char	   *text = malloc(all->length + watch->all->length + watch->count * sizeof("null") + 1);
	char	   *end = text;
	int			before = 0;

	if (text == NULL)
		return NULL;
	for (int i = 0; i < count; i++)
	{
		const Cursor *cursor = &cursors[i];
		int			found = find_reader(watch, before, all->text + cursor->reader, cursor->reader_end - cursor->reader);

		if (found < watch->count)
			end = print_gone(end, watch, before, found);
		if (found == watch->count || watch->cursors[found].number != cursor->number)
		{
			memcpy(end, all->text + cursor->start, cursor->end - cursor->start);
			end += cursor->end - cursor->start;
		}
		if (found < watch->count)
			before = found + 1;
	}
	end = print_gone(end, watch, before, watch->count);
	if (end > text)
		return frame_of_bytes(share, text, end - text);
	free(text);
	return NULL;
}

static CursorWatch *
watch_of(Query *query)
{
	return (CursorWatch *) ((char *) query - offsetof(CursorWatch, query));
}

static void on_succeeded(Query *query, const Rows *rows);
static void on_failed(Query *query, const Failure *failure);

/* Reads the cursors, now or as soon as that is possible. */
static void
watch_read(CursorWatch *watch)
{
	Query	   *query = &watch->query;

	watch->due = watch->reading || watch->telling;
	if (watch->due)
		return;
	watch->reading = true;
	watch->stale = false;
	watch->ticks = 0;
	*query = (Query) {
		.statement = LIST_CURSORS,
		.pool = POOL_READ,
		.max_rows = READERS,
		.since = loop_now(),
		.succeeded = on_succeeded,
		.failed = on_failed
	};
	query_add_text(query, watch->topic->token, watch->topic->token_length);
	query_add_number(query, watch->topic->chat);
	query_add_number(query, 0);
	query_add_number(query, READERS);
	reads_submit(query);
}

/* It is neither read nor told of now. */
static void
watch_rest(CursorWatch *watch)
{
	if (watch->first == NULL)
		watch_end(watch);
	else if (watch->due)
		watch_read(watch);
}

static void
on_failed(Query *query, const Failure *failure)
{
	CursorWatch *watch = watch_of(query);

	(void) failure;
	watch->reading = watch->due = false;
	watch->stale = true;
	watch_rest(watch);
}

static void
on_succeeded(Query *query, const Rows *rows)
{
	CursorWatch *watch = watch_of(query);
	Share	   *share = watch->first ? watch->first->share : NULL;
	Cursor	   *cursors;
	Frame	   *all = frame_of_rows(watch, rows, share, &cursors);

	watch->reading = false;
	if (all == NULL)
	{
		watch->stale = true;
		watch_rest(watch);
		return;
	}
	if (watch->all)
	{
		watch->moved = frame_of_difference(watch, all, cursors, rows->count, share);
		frame_release(watch->all);
		free(watch->cursors);
	}
	watch->all = all;
	watch->cursors = cursors;
	watch->count = rows->count;
	watch->telling = true;
	watch->next_viewer = watch->first;
	watch->next_telling = telling;
	telling = watch;
}

static void
tell(CursorViewer *viewer, Frame *frame)
{
	viewer->needs_all = false;
	if (frame->length > 0)
		viewer->take(viewer, frame);
}

void
cursors_run(void)
{
	int			limit = SLICE_VIEWERS;
	CursorWatch **place = &telling;

	while (*place && limit > 0)
	{
		CursorWatch *watch = *place;

		for (; watch->next_viewer && limit > 0; limit--)
		{
			CursorViewer *viewer = watch->next_viewer;

			watch->next_viewer = viewer->next;
			if (viewer->needs_all || watch->moved)
				tell(viewer, viewer->needs_all ? watch->all : watch->moved);
		}
		if (watch->next_viewer)
			break;
		*place = watch->next_telling;
		watch->telling = false;
		if (watch->moved)
			frame_release(watch->moved);
		watch->moved = NULL;
		watch_rest(watch);
	}
}

bool
cursors_are_busy(void)
{
	return telling != NULL;
}

/* The watch of a topic, which is made if need be; NULL if out of memory. */
static CursorWatch *
watch_on(Topic *topic)
{
	CursorWatch *watch = topic->cursors ? topic->cursors : calloc(1, sizeof(CursorWatch));

	if (watch == NULL || topic->cursors)
		return watch;
	topic_hold_again(topic);
	topic->cursors = watch;
	watch->topic = topic;
	watch->next = watches;
	if (watches)
		watches->previous = watch;
	watches = watch;
	return watch;
}

bool
cursors_join(CursorViewer *viewer, const Audience *audience, int chat)
{
	Topic	   *topic = topic_hold(audience->application, chat, audience->token, audience->token_length);
	CursorWatch *watch = topic ? watch_on(topic) : NULL;

	if (topic)
		topic_release(topic);
	if (watch == NULL)
		return false;
	viewer->watch = watch;
	viewer->needs_all = true;
	viewer->previous = NULL;
	viewer->next = watch->first;
	if (watch->first)
		watch->first->previous = viewer;
	watch->first = viewer;
	return true;
}

void
cursors_leave(CursorViewer *viewer)
{
	CursorWatch *watch = viewer->watch;

	if (watch == NULL)
		return;
	viewer->watch = NULL;
	if (watch->next_viewer == viewer)
		watch->next_viewer = viewer->next;
	if (viewer->next)
		viewer->next->previous = viewer->previous;
	if (viewer->previous)
		viewer->previous->next = viewer->next;
	else
		watch->first = viewer->next;
	watch_end(watch);
}

void
cursors_show(CursorViewer *viewer)
{
	if (viewer->watch == NULL || !viewer->needs_all)
		return;
	if (viewer->watch->all)
		tell(viewer, viewer->watch->all);
	else if (!viewer->watch->reading)
		watch_read(viewer->watch);
}

static void
topic_changed(Topic *topic)
{
	if (topic->cursors)
		watch_read(topic->cursors);
}

void
cursors_changed(int application, int chat)
{
	topics_of_chat(application, chat, topic_changed);
}

void
cursors_all_changed(void)
{
	for (CursorWatch *watch = watches; watch; watch = watch->next)
		watch->stale = true;
}

void
cursors_tick(void)
{
	CursorWatch *next;

	for (CursorWatch *watch = watches; watch; watch = next)
	{
		next = watch->next;
		if (watch->stale || ++watch->ticks >= READ_EVERY)
			watch_read(watch);
	}
}
