/*
 * rights.h
 *		Who may do what: the table of rights.
 */
#ifndef CHATD_RIGHTS_H
#define CHATD_RIGHTS_H

#include "access/grant.h"
#include "http/request.h"

/* Which callers a route is for, if their scope is enough. */
typedef enum Reach
{
	REACH_SERVER,				/* keys that are bound to no application */
	REACH_KEYS,					/* keys */
	REACH_APPLICATION,			/* keys, and users of all chats */
	REACH_CHAT					/* keys, and users of the chat */
} Reach;

typedef struct Right
{
	const char *method;			/* GET stands for HEAD, too */
	const char *pattern;		/* of the route */
	Scope		scope;			/* at least; SCOPE_NONE: no credential is needed */
	Reach		reach;
	int			messages;		/* that a request, or each item of it, counts as, for the limits */
} Right;

/* The right that a request needs. A route that is not in the table needs all there is. */
extern const Right *right_of(const Request *request);

/* Is the credential, of which only the kind is known, of any use for the right? */
extern bool right_reaches_users(const Right *right);

/* Does the grant allow it? If not, says why not; application and chat are the path's, NULL and 0: none. */
extern bool right_allows(const Right *right, const Grant *grant, const Text *application, int chat,
						 const char **reason);

/* Is the token of an application enough for the right, where keys are required? */
extern bool right_trusts_token(const Right *right);

/* Reads the setting; exits if it is invalid. */
extern void rights_open(void);

#endif
