/*
 * share.h
 *		What the clients of one address may take of what all clients share.
 *
 * Memory for bodies and for responses, connections and places in the queues for
 * the database are bounded for all clients together. A single address gets at
 * most seven eighths of each bound, so that it cannot shut out all others. Of an
 * IPv6 address the first 64 bits count, since a client has all the others.
 */
#ifndef CHATD_SHARE_H
#define CHATD_SHARE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

typedef enum Resource
{
	MEMORY_OF_BODIES,			/* what has arrived and is still needed, bytes */
	MEMORY_OF_RESPONSES,		/* what clients have yet to take, bytes */
	RESOURCE_COUNT
} Resource;

typedef struct Share
{
	unsigned char address[8];
	int			connections;
	int			queued;			/* queries that wait for the database */
	size_t		used[RESOURCE_COUNT];
	struct Share *next;			/* in the table */
} Share;

/* What one address may take of a bound. */
static inline size_t
share_of(size_t bound)
{
	return bound - bound / 8;
}

/*
 * Counts a connection from an address in that address's share; NULL without
 * memory. The share exists until share_leave() for the last of its connections.
 */
extern Share *share_join(const struct sockaddr *address);
extern void share_leave(Share *share);

/*
 * May the address take more of a resource? A NULL share may not. As long as
 * nothing of the resource is in use, any amount may be taken.
 */
extern bool share_has_room(const Share *share, Resource resource, size_t amount);

/* Counts what an address takes, and gives back; a NULL share is allowed. */
extern void share_take(Share *share, Resource resource, size_t amount);
extern void share_give(Share *share, Resource resource, size_t amount);

#endif
