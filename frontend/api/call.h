/*
 * call.h
 *		A call of the API: a request and the query that serves it.
 *
 * A handler begins the query, adds its parameters and submits it. One of the
 * handler's functions then responds:
 *
 *	answer		with the rows of the result
 *	missing		if what the path names does not exist
 *	unstorable	if a text of the client has a character that the database's
 *				encoding lacks; it may begin another query instead
 *
 * call.c responds to all other errors of the database.
 */
#ifndef CHATD_CALL_H
#define CHATD_CALL_H

#include "access/ticket.h"
#include "access/visit.h"
#include "api/page.h"
#include "db/query.h"
#include "http/request.h"

#define KEY_LENGTH_MAX 255		/* bytes of the key in a header */

#define UNSTORABLE_TEXT "has a character that the database cannot store"

typedef struct Call
{
	union						/* must be first: the HTTP server knows only the request */
	{
		Request		request;
		Visit		visit;
	};
	Query		query;
	void		(*answer) (Request *request, const Rows *rows);
	void		(*missing) (Request *request);
	void		(*unstorable) (Request *request);
	uint64_t	lsn;			/* that its commits end before; 0: none, or unknown */
	Page		page;			/* of a list */
	struct Following *following;	/* of a stream, else NULL */
	int			application;	/* its id, where chats are followed */
	Text		after_reader;	/* of a list of cursors */
	char	   *own_chats;		/* of a user, as an array of PostgreSQL; NULL: all, or no user's */
	char		key[KEY_LENGTH_MAX + 1];	/* that it is executed once by; see request_header.h */
	struct MessageItems *items; /* that it creates; NULL: not many */
	struct Import *import;		/* that it makes; NULL: none */
	struct Export *export;		/* that it has opened; NULL: none */
	long long	export_size;
	void		(*export_failed) (Query *query, const Failure *failure);	/* as the query's was */
	struct Call *next_waiting;	/* for figures, see metrics.c */
	void		(*release) (Request *request);	/* frees what the handler has; NULL: nothing */

	/* a ticket that is being made */
	char		ticket[TICKET_SIZE];
	char		ticket_digest[DIGEST_HEX_SIZE + 1];
	char	   *ticket_content;
} Call;

/* The call that a request belongs to. */
extern Call *call_of(Request *request);

/* The call that a query belongs to. */
extern Call *call_of_query(Query *query);

/* Frees what belongs to the call and not to the request. */
extern void call_release(Request *request);

/*
 * The application in the path as the client sent it, decoded: its token or, where a
 * credential counts, its id; NULL if the path has none.
 */
extern const char *path_token(const Request *request);

/* Is it ASCII? Every application's token is. */
extern bool path_token_is_ascii(const Request *request);

/* The chat's number in the path as the client sent it, decoded, for messages. */
extern const char *path_chat_text(const Request *request);

/* The chat's number in the path; 0 if it is not a number from 1 to 2^31 - 1. */
extern int	path_chat(const Request *request);

/* The message's number in the path; 0 if it is not a number from 1 to 2^31 - 1. */
extern int	path_message(const Request *request);

/*
 * Begins the query of a statement. answer and missing are as above, and missing may be
 * NULL; unstorable becomes NULL, and may be set afterwards.
 */
extern void call_begin(Request *request, StatementId statement,
					   void (*answer) (Request *request, const Rows *rows),
					   void (*missing) (Request *request));

/* Adds the token of the path's application as the next parameter. */
extern void call_add_token(Request *request);

/* Adds a text as the next parameter; it must live as long as the request. */
extern void call_add_text(Request *request, const char *text, size_t length);

/* Adds a number as the next parameter; 0 stands for null. */
extern void call_add_number(Request *request, int number);

/* Submits the query as a read; the handler then returns. */
extern void call_read(Request *request);

/* The same, where no standby can tell. */
extern void call_read_primary(Request *request);

/* Submits the query as a search; the handler then returns. */
extern void call_search(Request *request);

/*
 * Where standbys answer reads, a write's response has the LSN that its commit ends before, in the header
 * Commit-LSN. A read with that header is answered by a server that has replayed as much.
 */

/* Notes the LSN of a query of the request, if it is a write that succeeded. */
extern void call_note_commit(Request *request, const Query *query);

/* Adds the LSN of the request's last commit to the response, if it is known. */
extern void call_complete(Request *request);

/* Submits the query as a write; the handler then returns. */
extern void call_write(Request *request);

#endif
