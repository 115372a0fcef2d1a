/*
 * stream.c
 *		A client's socket that events are sent to.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/settings.h"
#include "metrics/figures.h"
#include "streams/stream.h"

#define HEARTBEAT 15000			/* after so long without anything sent, ms */
#define UNSENT_ROOM (64 * 1024) /* below this another frame may be added, bytes */
#define UNSENT_IN_KERNEL (64 * 1024)
#define LOST_AFTER 60000		/* a client that acknowledges nothing, ms */

static Stream *streams;
static Stream *broken;			/* to be ended */
static Stream *ended;			/* to be freed */
static int	count;

/* What a client is sent to see whether it is there: a comment. */
static const char heartbeat[] = ":\n\n";

bool
streams_have_room(const Share *share)
{
	return share_has_room(share, STREAMS, 1);
}

static void
set_options(int fd)
{
	const int	on = 1;
	const int	off = 0;
	const int	unsent = UNSENT_IN_KERNEL;
	const unsigned lost_after = LOST_AFTER;

	setsockopt(fd, IPPROTO_TCP, TCP_CORK, &off, sizeof(off));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof(unsent));
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &lost_after, sizeof(lost_after));
}

/* Has a stream end with this iteration of the loop: its owner is perhaps using it now. */
static void
stream_break(Stream *stream)
{
	if (stream->broken)
		return;
	stream->broken = true;
	stream->next_broken = broken;
	broken = stream;
}

static void
stream_end(Stream *stream)
{
	int			fd = stream->watcher.fd;

	loop_unwatch(&stream->watcher);
	close(fd);
	while (stream->count > 0)
	{
		frame_release(stream->frames[stream->first]);
		stream->first = (stream->first + 1) % STREAM_FRAMES;
		stream->count--;
	}
	if (stream->next)
		stream->next->previous = stream->previous;
	if (stream->previous)
		stream->previous->next = stream->next;
	else
		streams = stream->next;
	count--;
	figures->streams--;
	share_give(stream->share, STREAMS, 1);
	share_release(stream->share);
	stream->owner->ended(stream);
}

/* Counts what the client took of the frames. */
static void
take(Stream *stream, size_t bytes)
{
	stream->progress_at = loop_now();
	stream->unsent -= bytes;
	stream->sent += bytes;
	while (stream->count > 0 && stream->sent >= stream->frames[stream->first]->length)
	{
		stream->sent -= stream->frames[stream->first]->length;
		frame_release(stream->frames[stream->first]);
		stream->first = (stream->first + 1) % STREAM_FRAMES;
		stream->count--;
	}
}

/* Sends what the socket takes. */
static void
stream_flush(Stream *stream)
{
	while (stream->count > 0)
	{
		struct iovec parts[STREAM_FRAMES];
		struct msghdr message = {.msg_iov = parts, .msg_iovlen = stream->count};
		size_t		total = stream->unsent;
		ssize_t		sent;

		for (int i = 0; i < stream->count; i++)
		{
			const Frame *frame = stream->frames[(stream->first + i) % STREAM_FRAMES];
			size_t		skip = i == 0 ? stream->sent : 0;

			parts[i].iov_base = frame->text + skip;
			parts[i].iov_len = frame->length - skip;
		}
		sent = sendmsg(stream->watcher.fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (sent < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
		{
			stream_break(stream);
			return;
		}
		if (sent > 0)
			take(stream, sent);
		if (sent < 0 || (size_t) sent < total)
			break;
	}
	if (stream->count == 0 && stream->closing)
		stream_break(stream);
	loop_watch(&stream->watcher, stream->watcher.fd, stream->count > 0 ? EPOLLRDHUP | EPOLLOUT : EPOLLRDHUP);
}

static bool
has_room(const Stream *stream)
{
	return stream->count < STREAM_FRAMES && stream->unsent < UNSENT_ROOM;
}

static void
on_ready(void *owner, uint32_t events)
{
	Stream	   *stream = owner;

	/* A client that sends no more, or is gone. */
	if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
	{
		stream_break(stream);
		return;
	}
	stream_flush(stream);
	if (stream->full && !stream->broken && has_room(stream))
	{
		stream->full = false;
		stream->owner->resumed(stream);
	}
}

void
stream_open(Stream *stream, const StreamOwner *owner, int fd, Share *share, int lifetime)
{
	stream->owner = owner;
	stream->share = share;
	stream->progress_at = loop_now();
	stream->expires_at = loop_now() + lifetime;
	stream->next = streams;
	if (streams)
		streams->previous = stream;
	streams = stream;
	count++;
	figures->streams++;
	share_hold(share);
	share_take(share, STREAMS, 1);
	set_options(fd);
	stream->watcher = (Watcher) {.fd = -1, .ready = on_ready, .owner = stream};
	loop_watch(&stream->watcher, fd, EPOLLRDHUP);
}

bool
stream_has_room(Stream *stream)
{
	/* One that is about to end takes anything, and sends nothing. */
	stream->full = !stream->broken && !has_room(stream);
	return !stream->full;
}

bool
stream_send(Stream *stream, Frame *frame)
{
	if (frame == NULL)
	{
		stream_break(stream);
		return false;
	}
	if (stream->broken || stream->closing)
	{
		frame_release(frame);
		return false;
	}
	if (stream->count == STREAM_FRAMES)
	{
		/* The client takes nothing. When it comes again, it has the rest. */
		frame_release(frame);
		stream_break(stream);
		return false;
	}
	if (stream->count == 0)
		stream->progress_at = loop_now();
	stream->frames[(stream->first + stream->count) % STREAM_FRAMES] = frame;
	stream->count++;
	stream->unsent += frame->length;
	/* Behind other frames, the socket takes nothing now. */
	if (stream->count == 1)
		stream_flush(stream);
	return true;
}

void
stream_close(Stream *stream)
{
	stream->closing = true;
	stream->expires_at = loop_now();
	if (stream->count == 0)
		stream_break(stream);
}

void
stream_free_later(Stream *stream)
{
	stream->next = ended;
	ended = stream;
}

void
streams_free(void)
{
	while (broken)
	{
		Stream	   *stream = broken;

		broken = stream->next_broken;
		stream_end(stream);
	}
	while (ended)
	{
		Stream	   *stream = ended;

		ended = stream->next;
		free(stream);
	}
}

/* Sees whether the client is there. */
static void
send_heartbeat(Stream *stream)
{
	ssize_t		sent = send(stream->watcher.fd, heartbeat, sizeof(heartbeat) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (sent == sizeof(heartbeat) - 1)
		stream->progress_at = loop_now();
	else if (sent > 0 || (errno != EAGAIN && errno != EWOULDBLOCK))
		stream_break(stream);
}

void
streams_tick(void)
{
	uint64_t	timeout = (uint64_t) settings.write_timeout * 1000;

	for (Stream *stream = streams; stream; stream = stream->next)
	{
		uint64_t	passed = loop_now() - stream->progress_at;

		if (stream->broken)
			continue;
		if ((stream->count > 0 && passed >= timeout) ||
			(stream->closing && loop_now() >= stream->expires_at + timeout))
			stream_break(stream);
		else if (!stream->closing && loop_now() >= stream->expires_at)
			stream->owner->expired(stream);
		else if (stream->count == 0 && !stream->silent && passed >= HEARTBEAT)
			send_heartbeat(stream);
	}
}

void
streams_stop(void)
{
	for (Stream *stream = streams; stream; stream = stream->next)
		if (!stream->closing && !stream->broken)
			stream->owner->expired(stream);
}

int
streams_count(void)
{
	return count;
}
