/*
 * request.h
 *		One request, from its first line to its answer.
 *
 * A handler either gives the answer at once or hands the request to reads.c or
 * writes.c; the connection is then suspended until the answer is there. While
 * it is suspended libmicrohttpd cannot end it, so that what waits for the
 * database may point at the request.
 */
#ifndef CHATD_REQUEST_H
#define CHATD_REQUEST_H

#include <jansson.h>
#include <microhttpd.h>
#include <stdbool.h>
#include <stdint.h>

#include "db/session.h"
#include "http/framing.h"
#include "db/rows.h"
#include "http/uri.h"

typedef struct Request Request;

#define QUERY_VALUES 6			/* parameters, at most */

/* A parameter of a statement. */
typedef struct QueryValue
{
	const char *text;			/* owned by the request, or static; NULL: a number */
	int			chat;			/* if not 0, it stands with the number in an array */
	int			number;			/* 0: null */
} QueryValue;

/* What one request asks of the database; reads and creations. */
typedef struct Query
{
	Operation	operation;
	StatementId statement;
	Lane		lane;			/* of a read */
	int			count;
	QueryValue	values[QUERY_VALUES];
	int			rows;			/* that a read answers with, at most */

	/* Answers with the rows of the result. */
	void		(*answer) (Request *request, const Rows *rows);

	/* Answers when what the path names does not exist. */
	void		(*missing) (Request *request);

	/*
	 * Called when the client's text has a character that the database's
	 * encoding lacks: answers, or asks the database for something else.
	 */
	void		(*unstorable) (Request *request);
} Query;

/* A message on its way into a batch. */
typedef struct NewMessage
{
	const char *body;			/* in request->fields */
	size_t		length;
	int			number;			/* 0: the next one */
} NewMessage;

/* Of a write that found something locked: when it is tried again. */
typedef struct Hold
{
	int			refusals;
	uint64_t	until;
	bool		awaits_batch;	/* or until a batch has ended, if that is sooner */
} Hold;

typedef enum RequestPhase
{
	PHASE_HEAD,					/* the headers are not complete */
	PHASE_BODY,					/* the body is arriving */
	PHASE_WAITING,				/* the handler was called */
	PHASE_ANSWERED				/* the answer is libmicrohttpd's */
} RequestPhase;

struct Request
{
	struct MHD_Connection *connection;
	Request    *next;			/* in a queue */
	RequestPhase phase;
	uint64_t	started_at;
	const char *received_target;	/* libmicrohttpd's, only for guard.c */

	/* the head */
	char	   *target;			/* as sent */
	size_t		path_length;	/* of the part before the query */
	const char *query;			/* after the question mark, or "" */
	const char *method;
	Headers		headers;
	void		(*handler) (Request *request);

	/* from the path */
	Text		token;
	Text		chat_text;		/* as sent, decoded */
	int			chat;			/* 0: names no chat */
	int			message;		/* 0: names no message */

	/* the body */
	char	   *body;
	size_t		body_length;
	size_t		body_size;
	uint64_t	body_discarded;
	json_t	   *fields;
	json_t	   *faults;			/* of the fields, while the parent is looked up */

	/* what the database is asked */
	Query		work;
	NewMessage	new_message;
	Hold		hold;
	struct Page *page;

	/* the answer */
	struct MHD_Response *answer;
	unsigned	status;
	size_t		answer_length;
};

/* A queue of requests, first in, first out. */
typedef struct RequestQueue
{
	Request    *first;
	Request    *last;
	int			count;
} RequestQueue;

static inline void
queue_push(RequestQueue *queue, Request *request)
{
	request->next = NULL;
	if (queue->last)
		queue->last->next = request;
	else
		queue->first = request;
	queue->last = request;
	queue->count++;
}

/* Puts all of another queue in front, and empties that. */
static inline void
queue_prepend(RequestQueue *queue, RequestQueue *other)
{
	if (other->first == NULL)
		return;
	other->last->next = queue->first;
	queue->first = other->first;
	if (queue->last == NULL)
		queue->last = other->last;
	queue->count += other->count;
	*other = (RequestQueue) {NULL};
}

/* Takes the oldest; NULL when it is empty. */
static inline Request *
queue_pop(RequestQueue *queue)
{
	Request    *request = queue->first;

	if (request)
	{
		queue->first = request->next;
		if (queue->first == NULL)
			queue->last = NULL;
		queue->count--;
	}
	return request;
}

/* libmicrohttpd's callbacks, see there. */
extern void *request_begin(void *unused, const char *target, struct MHD_Connection *connection);
extern enum MHD_Result request_handle(void *unused, struct MHD_Connection *connection,
									  const char *url, const char *method, const char *version,
									  const char *upload, size_t *upload_size, void **context);
extern void request_end(void *unused, struct MHD_Connection *connection, void **context,
						enum MHD_RequestTerminationCode code);

/* The answer of a suspended request is there: lets its connection go on. */
extern void request_resume(Request *request);

#endif
