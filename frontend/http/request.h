/*
 * request.h
 *		One HTTP request and its response.
 *
 * A handler either responds at once, or arranges for a response later and
 * returns; the connection is then suspended until there is one (exchange.c). A
 * suspended connection cannot end, so whoever responds later may keep a pointer
 * to the request until then.
 */
#ifndef CHATD_REQUEST_H
#define CHATD_REQUEST_H

#include <microhttpd.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/json_writer.h"
#include "http/connection.h"
#include "http/field.h"
#include "http/framing.h"
#include "http/items.h"
#include "http/request_id.h"
#include "http/uri.h"

/* The most variable segments that a path may have. */
#define PATH_SEGMENTS 3

typedef struct Request Request;
typedef struct BodyReader BodyReader;

typedef void (*Handler) (Request *request);

typedef enum RequestPhase
{
	PHASE_HEAD,					/* the headers are incomplete */
	PHASE_BODY,					/* the body is arriving */
	PHASE_HANDLER,				/* the handler is running */
	PHASE_SUSPENDED,			/* the handler has returned without a response */
	PHASE_RESPONSE				/* libmicrohttpd has the response */
} RequestPhase;

/* A variable segment of the path. */
typedef struct Segment
{
	const char *raw;			/* as sent; in request->target */
	size_t		raw_length;
	Text		text;			/* decoded */
} Segment;

struct Request
{
	struct MHD_Connection *connection;
	Connection *client;			/* NULL if out of memory */
	Share	   *share;			/* of the client's address; NULL if out of memory */
	RequestPhase phase;
	RequestId	id;
	uint64_t	started_at;
	uint64_t	received_at;	/* the same by loop_clock() */
	const char *received_target;	/* in libmicrohttpd's buffer; only for framing.c */

	/* the head */
	char	   *whole_target;	/* as sent: target, perhaps with a scheme and a host before it */
	const char *target;			/* from the path on */
	size_t		path_length;	/* of the part of target before the query */
	const char *query;			/* the part after the question mark, or "" */
	const char *method;			/* NULL until the headers are complete */
	Headers		headers;
	const struct Route *route;	/* NULL if there is none */
	Segment		segments[PATH_SEGMENTS];
	Handler		handler;

	/* the body */
	const char *const *wanted;	/* names of fields; NULL: the body is discarded */
	uint64_t	body_received;	/* bytes */
	BodyReader *reader;			/* NULL unless the body is being parsed; see body.c */
	Fields		fields;
	Items		items;			/* instead of fields, if the data is an array */
	Json		faults;			/* predicates of invalid fields, by name; see body.h */

	/* the response */
	struct MHD_Response *response;
	unsigned	status;			/* 0: none yet */
	size_t		response_length;
	const char *content_type;	/* of a body that comes with 200; NULL: JSON */
	bool		closes;			/* the connection, after the response */
	bool		pauses;			/* before the response, see pause.h */
	uint64_t	pause_until;
	Request    *next_paused;

	bool		events;			/* it is to be a stream of events, see respond_error() */

	/* Instead of a body: takes the client's socket over, see respond_taken(). */
	void		(*take) (Request *request, int fd, const char *headers);
};

#endif
