/*
 * permission.c
 *		Whether the credential that a stream was opened with still counts.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "access/credential.h"
#include "common/settings.h"
#include "streams/permission.h"

struct Permission
{
	Grant	   *grant;
	void		(*ended) (void *owner); /* NULL: nobody wants to know any more */
	void	   *owner;
	FactWaiter	waiter;
	bool		asking;
	Permission *next;
	Permission *previous;
};

static Permission *permissions;

static void
link_first(Permission *permission)
{
	permission->previous = NULL;
	permission->next = permissions;
	if (permissions)
		permissions->previous = permission;
	permissions = permission;
}

static void
take_out(Permission *permission)
{
	if (permission->next)
		permission->next->previous = permission->previous;
	if (permission->previous)
		permission->previous->next = permission->next;
	else
		permissions = permission->next;
}

static void
permission_free(Permission *permission)
{
	take_out(permission);
	grant_release(permission->grant);
	free(permission);
}

static Permission *
permission_of(FactWaiter *waiter)
{
	return (Permission *) ((char *) waiter - offsetof(Permission, waiter));
}

/* The answer: does the credential count? */
static void
take_answer(FactWaiter *waiter, bool counts)
{
	Permission *permission = permission_of(waiter);

	permission->asking = false;
	if (permission->ended && !counts)
		permission->ended(permission->owner);
}

static void
on_found(FactWaiter *waiter, void *value, uint64_t until)
{
	(void) until;
	take_answer(waiter, credential_is_valid(permission_of(waiter)->grant, value));
}

/*
 * The database cannot say; nor does it say anything else that a stream could send. Where more are asked about
 * than it is asked about at once, this one is the first to be asked about next.
 */
static void
on_failed(FactWaiter *waiter, const Failure *failure)
{
	Permission *permission = permission_of(waiter);

	(void) failure;
	take_out(permission);
	link_first(permission);
	take_answer(waiter, true);
}

bool
permission_open(Permission **permission, Grant *grant, void (*ended) (void *owner), void *owner)
{
	*permission = grant ? calloc(1, sizeof(Permission)) : NULL;
	if (*permission == NULL)
		return grant == NULL;
	(*permission)->grant = grant_keep(grant);
	(*permission)->ended = ended;
	(*permission)->owner = owner;
	(*permission)->waiter = (FactWaiter) {.found = on_found, .failed = on_failed};
	link_first(*permission);
	return true;
}

/* Is it the same key, or the same user of the same application? */
static bool
is_same_caller(const Grant *grant, const Grant *other)
{
	if (grant->key || other->key)
		return grant->key == other->key;
	return grant->application == other->application && strcmp(grant->user, other->user) == 0;
}

bool
permission_has_room(const Grant *grant)
{
	int			room;

	if (grant == NULL)
		return true;
	room = grant->key ? settings.key_streams : settings.user_streams;
	if (room == 0)
		return true;
	for (const Permission *permission = permissions; permission && room > 0; permission = permission->next)
		if (permission->ended && is_same_caller(permission->grant, grant))
			room--;
	return room > 0;
}

void
permission_close(Permission *permission)
{
	/* It is freed by the next tick after it has its answer. */
	if (permission)
		permission->ended = NULL;
}

void
permissions_tick(void)
{
	Permission *next;

	for (Permission *permission = permissions; permission; permission = next)
	{
		next = permission->next;
		/* That of a user's token is known, whether the database answers or not. */
		if (permission->ended && permission->grant->expires_at && permission->grant->expires_at <= (int64_t) time(NULL))
			permission->ended(permission->owner);
		if (permission->asking)
			continue;
		if (permission->ended == NULL)
		{
			permission_free(permission);
			continue;
		}
		permission->asking = true;
		credential_recheck(permission->grant, &permission->waiter);
	}
}
