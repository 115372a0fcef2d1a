/*
 * export_stream.c
 *		A client that is sent an export, as one response with its length.
 *
 * A page is read when the client has taken those before it, so that memory is bounded. The length
 * tells a client, also one of HTTP/1.0, whether it has all: where anything fails, the connection is cut.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/settings.h"
#include "streams/export_stream.h"
#include "streams/permission.h"
#include "streams/stream.h"

#define RATE_MINIMUM 1024		/* bytes per second that a client must take */

#define HEAD \
	"HTTP/1.1 200 OK\r\n" \
	"Content-Type: application/x-ndjson\r\n" \
	"Content-Length: %lld\r\n" \
	"%s\r\n"

typedef struct ExportStream
{
	Stream		stream;			/* first: it is freed as this */
	Export	   *export;			/* NULL: all of it was read */
	Permission *permission;		/* NULL: it needs none */
	long long	left;			/* bytes to be read */
	long long	given;			/* bytes that were given to the stream */
	long long	taken;			/* of these, what the client had taken when that was last looked at */
} ExportStream;

static void read_page(ExportStream *stream);

/* All was read: the session of the export is for others now. The client has time to take the rest. */
static void
finish(ExportStream *stream)
{
	export_close(stream->export);
	stream->export = NULL;
	stream_close(&stream->stream);
	stream->stream.expires_at += stream->stream.unsent * 1000 / RATE_MINIMUM;
}

static void
take(void *owner, const char *page, size_t length)
{
	ExportStream *stream = owner;
	char	   *bytes = page && (long long) length <= stream->left ? malloc(length) : NULL;

	if (bytes == NULL)
	{
		stream_send(&stream->stream, NULL);
		return;
	}
	memcpy(bytes, page, length);
	stream->left -= (long long) length;
	stream->given += (long long) length;
	stream_send(&stream->stream, frame_of_bytes(stream->stream.share, bytes, length));
	if (stream->left == 0)
		finish(stream);
	else if (stream_has_room(&stream->stream))
		read_page(stream);
}

static void
read_page(ExportStream *stream)
{
	export_read(stream->export, take, stream);
}

static void
resumed(Stream *stream)
{
	read_page((ExportStream *) stream);
}

/* Looks, once in each write timeout, whether the client takes anything worth waiting for. */
static void
expired(Stream *stream)
{
	ExportStream *export = (ExportStream *) stream;
	long long	taken = export->given - (long long) stream->unsent;

	if (stream->count > 0 && taken - export->taken < (long long) RATE_MINIMUM * settings.write_timeout)
	{
		stream_send(stream, NULL);
		return;
	}
	export->taken = taken;
	stream->expires_at = loop_now() + (uint64_t) settings.write_timeout * 1000;
}

/* The credential does not count any more. */
static void
forbidden(void *stream)
{
	stream_send(stream, NULL);
}

static void
ended(Stream *stream)
{
	ExportStream *export = (ExportStream *) stream;

	permission_close(export->permission);
	if (export->export)
		export_close(export->export);
	stream_free_later(stream);
}

static const StreamOwner owner = {
	.resumed = resumed,
	.expired = expired,
	.ended = ended
};

void
export_stream_open(const Audience *audience, Export *export, long long size)
{
	ExportStream *stream = calloc(1, sizeof(ExportStream));
	bool		complete;

	if (stream == NULL)
	{
		export_close(export);
		close(audience->fd);
		return;
	}
	stream->stream.silent = true;
	stream->export = export;
	stream->left = size;
	stream_open(&stream->stream, &owner, audience->fd, audience->share, settings.write_timeout * 1000);
	complete = permission_open(&stream->permission, audience->grant, forbidden, stream);
	stream_send(&stream->stream, complete ? frame_of_text(audience->share, HEAD, size, audience->headers) : NULL);
	if (size == 0)
		finish(stream);
	else
		read_page(stream);
}
