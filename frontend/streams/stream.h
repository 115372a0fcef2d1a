/*
 * stream.h
 *		A client's socket that events are sent to.
 *
 * The socket was taken over from the HTTP server, and nothing is read from it any more.
 * A stream is embedded in whoever opens it, zeroed at the start, and has a few
 * frames that its client has yet to take; it costs no more than its struct while there are
 * none. It ends when its client goes away, or takes nothing for long.
 */
#ifndef CHATD_STREAM_H
#define CHATD_STREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "common/loop.h"
#include "streams/frame.h"

#define STREAM_FRAMES 8

typedef struct Stream Stream;

typedef struct StreamOwner
{
	/* There is room for a frame again. */
	void		(*resumed) (Stream *stream);

	/* Its time has come: it is to be closed, perhaps with a last frame. */
	void		(*expired) (Stream *stream);

	/* The stream has ended. It may be freed when it is not in use any more: stream_free_later(). */
	void		(*ended) (Stream *stream);
} StreamOwner;

struct Stream
{
	const StreamOwner *owner;
	Watcher		watcher;
	Share	   *share;
	Frame	   *frames[STREAM_FRAMES];	/* a ring */
	uint8_t		first;
	uint8_t		count;
	bool		full;			/* stream_has_room() said no */
	bool		closing;		/* as soon as its client has all */
	bool		silent;			/* it has no heartbeat */
	bool		broken;			/* it ends with this iteration of the loop */
	size_t		sent;			/* bytes of the first frame */
	size_t		unsent;			/* bytes of all */
	uint64_t	progress_at;	/* when its client last took something, or everything was sent */
	uint64_t	expires_at;
	Stream	   *next;			/* of all that are open, or that are to be freed */
	Stream	   *previous;
	Stream	   *next_broken;
};

/* Is there a place for another stream of an address? */
extern bool streams_have_room(const Share *share);

/* Opens a stream on a descriptor, for so many milliseconds. */
extern void stream_open(Stream *stream, const StreamOwner *owner, int fd, Share *share, int lifetime);

/* May another frame be added? If not, the owner is told when it may. */
extern bool stream_has_room(Stream *stream);

/*
 * Adds a frame, whose reference is taken over, and sends what the socket takes; a NULL frame, or one for which there is
 * no place, ends the stream. The owner is not told of an end before the end of the loop's iteration. Returns false if
 * the stream ends, and sends nothing.
 */
extern bool stream_send(Stream *stream, Frame *frame);

/* Ends the stream as soon as its client has all; adds nothing any more. */
extern void stream_close(Stream *stream);

/* Frees a struct, the beginning of which is the stream, when nothing refers to it any more. */
extern void stream_free_later(Stream *stream);

/* At the end of an iteration of the loop: ends those that were broken, and frees what can be freed. */
extern void streams_free(void);

/* Once a second: heartbeats and time limits. */
extern void streams_tick(void);

/* Ends all streams; those whose clients have yet to take something end a little later. */
extern void streams_stop(void);

/* How many are open. */
extern int	streams_count(void);

#endif
