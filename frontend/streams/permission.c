/*
 * permission.c
 *		Whether the credential that a stream was opened with still counts.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#include "access/credential.h"
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
permission_free(Permission *permission)
{
	if (permission->next)
		permission->next->previous = permission->previous;
	if (permission->previous)
		permission->previous->next = permission->next;
	else
		permissions = permission->next;
	grant_release(permission->grant);
	free(permission);
}

/* The answer: does the credential count? */
static void
take_answer(FactWaiter *waiter, bool counts)
{
	Permission *permission = (Permission *) ((char *) waiter - offsetof(Permission, waiter));

	permission->asking = false;
	if (permission->ended && !counts)
		permission->ended(permission->owner);
}

static void
on_found(FactWaiter *waiter, void *value, uint64_t until)
{
	(void) until;
	take_answer(waiter, value != NULL);
}

/* The database cannot say; nor does it say anything else that a stream could send. */
static void
on_failed(FactWaiter *waiter, const Failure *failure)
{
	(void) failure;
	take_answer(waiter, true);
}

Permission *
permission_open(Grant *grant, void (*ended) (void *owner), void *owner)
{
	Permission *permission = calloc(1, sizeof(Permission));

	if (permission == NULL)
		return NULL;
	permission->grant = grant_keep(grant);
	permission->ended = ended;
	permission->owner = owner;
	permission->waiter = (FactWaiter) {.found = on_found, .failed = on_failed};
	permission->next = permissions;
	if (permissions)
		permissions->previous = permission;
	permissions = permission;
	return permission;
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
