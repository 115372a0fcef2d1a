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
	const Right *right;			/* required by the route */
	const char *credential;		/* as sent, in the buffer of libmicrohttpd; NULL: none that counts */
	char		ticket[DIGEST_HEX_SIZE + 1];	/* digest of the ticket in the query; "": none */
	Grant	   *grant;			/* of the credential; NULL: without one */
	char	   *token;			/* of the application, if the path has its id; else NULL */
	Limit		limits[LIMITS_MAX]; /* of the caller */
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

/* Returns the visit that a request belongs to. */
extern Visit *visit_of(Request *request);

/* Frees the parts of a visit that do not belong to the request. */
extern void visit_release(Request *request);

/*
 * Returns the token of the application in the path. If the path has an id in
 * its place, which it may with a valid credential, it is the token that was
 * looked up for it.
 */
extern Text visit_token(Request *request);

/* Returns the segment of the path that names the application, or NULL. */
extern const Text *visit_application(const Request *request);

/* Returns the number of the chat in the path, or 0. */
extern int	visit_chat(const Request *request);

/* Returns the grant of the caller, or NULL if its request was admitted without a credential. */
extern const Grant *visit_grant(Request *request);

/* Returns the caller that the request takes turns as: that of its credential, or else of its address. */
extern uint64_t visit_caller(Request *request);

/* Returns the user who sends a message, or NULL if it comes from a key, or without a credential. */
extern const char *visit_user(Request *request);

#endif
