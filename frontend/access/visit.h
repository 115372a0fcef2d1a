/*
 * visit.h
 *		A visit: a request and its caller.
 */
#ifndef CHATD_VISIT_H
#define CHATD_VISIT_H

#include "access/fact.h"
#include "access/grant.h"
#include "access/jwt.h"
#include "access/limit.h"
#include "access/rights.h"
#include "http/request.h"

typedef struct Visit
{
	Request		request;		/* must be first: the HTTP server knows only this */
	const Right *right;			/* that the route needs */
	const char *credential;		/* as sent, in libmicrohttpd's buffer; NULL: none that counts */
	char		ticket[DIGEST_HEX_SIZE + 1];	/* digest of the one in the query; "": none */
	Grant	   *grant;			/* of the credential; NULL: nobody in particular */
	char	   *token;			/* of the application, where the path has its id; else NULL */
	Limit		limits[LIMITS_MAX]; /* what is left of the caller's */
	int			limit_count;

	/* while the credential is looked up */
	void		(*granted) (struct Visit *visit);
	FactWaiter	waiter;
	Jwt			jwt;			/* the credential, if it is one */
	Query		query;			/* that takes the ticket */
} Visit;

/* The variable segments of all routes, in their order. */
enum
{
	SEGMENT_APPLICATION,
	SEGMENT_CHAT,
	SEGMENT_MESSAGE
};

/* The visit that a request belongs to. */
extern Visit *visit_of(Request *request);

/* Frees what belongs to the visit and not to the request. */
extern void visit_release(Request *request);

/*
 * The token of the application that the path names. Where a credential counts, the
 * path may have the application's id instead, which is turned into its token here.
 */
extern Text visit_token(Request *request);

/* The segment of the path that names the application; NULL if none does. */
extern const Text *visit_application(const Request *request);

/* The number of the chat in the path; 0 if it has none. */
extern int	visit_chat(const Request *request);

/* The rights of the caller; NULL: it has no credential, and its request was admitted without. */
extern const Grant *visit_grant(Request *request);

/* The user that a message is from; NULL: a key's, or nobody's. */
extern const char *visit_user(Request *request);

#endif
