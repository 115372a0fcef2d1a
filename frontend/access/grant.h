/*
 * grant.h
 *		A grant: the rights of a caller, by its credential.
 *
 * A key's is for an application or for all of them, and has a scope. A user's is
 * for one application, for some of its chats or all, and ends with the token that
 * the application signed. Grants do not change, and are shared.
 */
#ifndef CHATD_GRANT_H
#define CHATD_GRANT_H

#include <stdbool.h>
#include <stdint.h>

/* Each allows what those before it do. */
typedef enum Scope
{
	SCOPE_NONE,
	SCOPE_READ,
	SCOPE_WRITE,
	SCOPE_ADMIN
} Scope;

typedef struct Grant
{
	int			references;
	Scope		scope;
	int			application;	/* its id; 0: all, of a key alone */
	char	   *token;			/* of the application; NULL: all */
	int			key;			/* id of the key; 0: it is a user's */
	char	   *user;			/* the user's name; NULL: it is a key's */
	bool		all_chats;		/* these of a user's */
	int		   *chats;			/* ascending */
	int			chat_count;
	int64_t		expires_at;		/* seconds of the calendar's clock, or 0 */

	/* what the credential was, to look it up again */
	char	   *digest;			/* of a key, as PostgreSQL writes bytes */
	char	   *kid;			/* of the key that a user's token is signed by */
} Grant;

/* Creates an empty grant with one reference; NULL if out of memory. */
extern Grant *grant_new(void);

/* Adds a reference, and returns the grant; NULL is allowed. */
extern Grant *grant_keep(Grant *grant);

/* Drops a reference, with the last one the grant; NULL is allowed. */
extern void grant_release(Grant *grant);

/* Sets a text of a grant to a copy. Returns false if out of memory. */
extern bool grant_set(char **text, const char *value);

/* Sorts the chats, which have been filled in. */
extern void grant_sort_chats(Grant *grant);

/* Is it for this chat? */
extern bool grant_has_chat(const Grant *grant, int chat);

/* The scope with this name; SCOPE_NONE if there is none. */
extern Scope scope_parse(const char *name);

/* The name of a scope. */
extern const char *scope_name(Scope scope);

#endif
