/*
 * call.h
 *		A call of the API: a request and the query that it is served by.
 *
 * A handler begins the query, adds its parameters and submits it. One of the
 * handler's functions then responds:
 *
 *	answer		with the rows of the result
 *	missing		if what the path names does not exist
 *	unstorable	if a text of the client has a character that the database's
 *				encoding lacks; it may begin another query instead
 *
 * Other errors of the database are responded to here.
 */
#ifndef CHATD_CALL_H
#define CHATD_CALL_H

#include "access/ticket.h"
#include "access/visit.h"
#include "api/page.h"
#include "db/query.h"
#include "http/request.h"

#define UNSTORABLE_TEXT "has a character that the database cannot store"

typedef struct Call
{
	union						/* first: the HTTP server knows the request alone */
	{
		Request		request;
		Visit		visit;
	};
	Query		query;
	void		(*answer) (Request *request, const Rows *rows);
	void		(*missing) (Request *request);
	void		(*unstorable) (Request *request);
	Page		page;			/* of a list */

	/* a ticket that is being made */
	char		ticket[TICKET_SIZE];
	char		ticket_digest[DIGEST_HEX_SIZE + 1];
	char	   *ticket_content;
} Call;

/* The call that a request belongs to. */
extern Call *call_of(Request *request);

/* Frees what belongs to the call and not to the request. */
extern void call_release(Request *request);

/* What the path names: the application, as the client sent it, and numbers, 0 if not a number. */
extern const char *path_token(const Request *request);
extern const char *path_chat_text(const Request *request);
extern int	path_chat(const Request *request);
extern int	path_message(const Request *request);

/* Begins a query. answer and missing are the functions above, unstorable is NULL. */
extern void call_begin(Request *request, StatementId statement,
					   void (*answer) (Request *request, const Rows *rows),
					   void (*missing) (Request *request));

/* Adds the token of the path's application as a parameter. */
extern void call_add_token(Request *request);

/* Add a parameter; a text must live as long as the request. */
extern void call_add_text(Request *request, const char *text, size_t length);
extern void call_add_number(Request *request, int number);

/* Submit the query; the handler then returns. */
extern void call_read(Request *request);
extern void call_search(Request *request);
extern void call_write(Request *request);

#endif
