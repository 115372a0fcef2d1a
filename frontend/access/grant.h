/*
 * grant.h
 *		A grant: the rights that a credential gives to a caller.
 *
 * The grant of a key is for one application or for all of them, and has a
 * scope. The grant of a user is for one application, for some or all of its
 * chats, and expires with the signed token. Grants are immutable, but for caches, and shared.
 */
#ifndef CHATD_GRANT_H
#define CHATD_GRANT_H

#include <stdbool.h>
#include <stdint.h>

/* Each includes those before it. */
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
	int			application;	/* its id; 0: all applications, only for keys */
	char	   *token;			/* of the application; NULL: all */
	int			key;			/* id of the key; 0: of a user */
	char	   *user;			/* the user's name; NULL: of a key */
	bool		all_chats;		/* only for users, as are the following two */
	int		   *chats;			/* ascending */
	int			chat_count;
	int64_t		expires_at;		/* seconds since 1970, or 0 */
	uint64_t	caller;			/* see caller.h; 0: not computed yet */

	/* the credential, to look it up again */
	char	   *digest;			/* of the key, or the one that signed the token, in the format of
								 * bytea */
	char	   *kid;			/* of the key that signed the token */
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
