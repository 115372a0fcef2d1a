/*
 * rights.h
 *		The table of rights: which scope each route needs, and which kinds of
 *		callers it serves.
 */
#ifndef CHATD_RIGHTS_H
#define CHATD_RIGHTS_H

#include "access/grant.h"
#include "http/request.h"

/* The callers that a route serves, if their scope suffices. */
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
	int			messages;		/* for the limits of messages: of a request, or of each item of it */
} Right;

/* Returns the right that a request needs. */
extern const Right *right_of(const Request *request);

/* Returns whether tokens of users can have the right at all. */
extern bool right_reaches_users(const Right *right);

/*
 * Returns whether a grant includes a right, and sets reason if not. The
 * application and the chat are those of the path; NULL and 0: none.
 */
extern bool right_allows(const Right *right, const Grant *grant, const Text *application, int chat,
						 const char **reason);

/*
 * Returns whether the token of an application in the path suffices for a right,
 * if keys are required.
 */
extern bool right_trusts_token(const Right *right);

/* Reads --trust-tokens. Returns what is wrong with it, or NULL. */
extern const char *rights_read(void);

#endif
