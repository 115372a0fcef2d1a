/*
 * frame.h
 *		Text for streams, shared by those that are to send it.
 *
 * A frame has the text of Server-Sent Events (WHATWG), as the streams of one chat send
 * it. Where each event of a chat's changes stands in it is known, so that others can
 * make texts of their own of it. It is counted in the memory of an address's share, and
 * freed when nobody refers to it any more.
 */
#ifndef CHATD_FRAME_H
#define CHATD_FRAME_H

#include <stdbool.h>
#include <stdint.h>

#include "http/share.h"
#include "streams/position.h"

/*
 * The memory that has to be there before another frame is made, bytes. One that is made for a
 * single stream is about this large at most.
 */
#define FRAME_ROOM (64 * 1024)

/* A change of a chat. Its parts follow each other: the line with its id, then the rest, with the message in JSON. */
typedef struct FrameEvent
{
	const char *name;			/* created, updated or deleted */
	Position	position;
	uint32_t	id;				/* offsets in the frame's text */
	uint32_t	rest;
	uint32_t	message;
	uint32_t	message_end;
	uint32_t	end;
} FrameEvent;

typedef struct Frame
{
	int			references;
	Share	   *share;
	Position	end;			/* the position behind the changes */
	int			count;			/* of events */
	FrameEvent *events;
	size_t		length;
	char	   *text;
} Frame;

/*
 * Makes a frame of a page of changes, an array of {"position": ..., "event": ..., "message": ...} as the
 * database makes it, and of the position behind them. If there are none, the text only
 * moves the position. NULL if out of memory. The caller has the only reference, here and below.
 */
extern Frame *frame_of_changes(const char *changes, int count, Position end, Share *share);

/* Makes a frame of a text, as printf does; NULL if out of memory. */
extern Frame *frame_of_text(Share *share, const char *format,...)
			__attribute__((format(printf, 2, 3)));

/* Takes over a text of so many bytes, malloc'ed; NULL if out of memory, which frees it. */
extern Frame *frame_of_bytes(Share *share, char *text, size_t length);

/* Counts one more reference to the frame, and returns it. */
extern Frame *frame_refer(Frame *frame);

/* Counts one less; frees the frame with the last one. */
extern void frame_release(Frame *frame);

/* Has the memory of another frame been released since this was last true? */
extern bool frames_gave_room(void);

#endif
