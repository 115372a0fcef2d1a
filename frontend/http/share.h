/*
 * share.h
 *		The share of one address in the resources of all clients.
 *
 * Memory for bodies and for responses, connections, and places in the queues for the
 * database are bounded for all clients together. A single address gets at most seven
 * eighths of each bound, so that it cannot shut out all others. Of an IPv6 address only
 * the first 64 bits count, since a client may use any of the others.
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
	MEMORY_OF_STREAMS,			/* events that clients have yet to take, bytes */
	STREAMS,					/* sockets that were taken over */
	RESOURCE_COUNT
} Resource;

typedef struct Share
{
	unsigned char address[8];
	int			connections;
	int			holders;		/* of the share: connections, and whoever called share_hold() */
	int			queued;			/* queries that wait for the database */
	size_t		used[RESOURCE_COUNT];
	struct Share *next;			/* in the table */
} Share;

/* The part of a bound that one address may take. */
static inline size_t
share_of(size_t bound)
{
	return bound - bound / 8;
}

/*
 * Counts a connection in the share of its address, which is returned; NULL if out of
 * memory. The share exists until share_leave() is called for the last of its connections,
 * and share_release() by the last who holds it.
 */
extern Share *share_join(const struct sockaddr *address);

/* No longer counts a connection. */
extern void share_leave(Share *share);

/* Keeps the share, beyond its connections; share may be NULL. */
extern void share_hold(Share *share);

/* Keeps it no more; share may be NULL. */
extern void share_release(Share *share);

/*
 * May the address take this amount more of a resource? A NULL share may not. Any amount
 * may be taken while nothing of the resource is in use.
 */
extern bool share_has_room(const Share *share, Resource resource, size_t amount);

/* Counts an amount that an address takes; share may be NULL. */
extern void share_take(Share *share, Resource resource, size_t amount);

/* Counts an amount that an address gives back; share may be NULL. */
extern void share_give(Share *share, Resource resource, size_t amount);

#endif
