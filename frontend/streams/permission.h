/*
 * permission.h
 *		Whether the credential that a stream was opened with still counts.
 *
 * A stream lasts longer than what is known of a credential: a key may be revoked meanwhile,
 * a user's token end. Each is looked at again once a second.
 */
#ifndef CHATD_PERMISSION_H
#define CHATD_PERMISSION_H

#include <stdbool.h>

#include "access/grant.h"

typedef struct Permission Permission;

/*
 * Watches a grant, which is kept; ended is called with owner once it does not count any more. Without a
 * grant nothing is watched, and the permission is NULL. Returns false if out of memory.
 */
extern bool permission_open(Permission **permission, Grant *grant, void (*ended) (void *owner), void *owner);

/* May the caller whose grant it is open another stream? Without a grant it may. */
extern bool permission_has_room(const Grant *grant);

/* No longer watches; NULL is allowed. */
extern void permission_close(Permission *permission);

/* Once a second. */
extern void permissions_tick(void);

#endif
