/*
 * share.c
 *		The share of one address in the resources of all clients.
 */
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/settings.h"
#include "http/share.h"

#define TABLE_SIZE 1024

#define MEMORY_BOUND ((size_t) 64 * 1024 * 1024)

static size_t used[RESOURCE_COUNT];
static Share *table[TABLE_SIZE];

static size_t
bound_of(Resource resource)
{
	return resource == STREAMS ? (size_t) settings.max_streams : MEMORY_BOUND;
}

/* The part of an address that identifies a client. */
static void
identify(const struct sockaddr *address, unsigned char *identity)
{
	memset(identity, 0, sizeof(((Share *) NULL)->address));
	if (address && address->sa_family == AF_INET)
		memcpy(identity, &((const struct sockaddr_in *) address)->sin_addr, 4);
	else if (address && address->sa_family == AF_INET6)
	{
		const struct in6_addr *ip = &((const struct sockaddr_in6 *) address)->sin6_addr;

		if (IN6_IS_ADDR_V4MAPPED(ip))
			memcpy(identity, ip->s6_addr + 12, 4);
		else
			memcpy(identity, ip->s6_addr, 8);
	}
}

static Share **
table_place(const unsigned char *identity)
{
	uint64_t	hash;
	Share	  **place;

	memcpy(&hash, identity, sizeof(hash));
	hash *= UINT64_C(0x9e3779b97f4a7c15);
	place = &table[(hash >> 32) % TABLE_SIZE];
	while (*place && memcmp((*place)->address, identity, sizeof((*place)->address)) != 0)
		place = &(*place)->next;
	return place;
}

Share *
share_join(const struct sockaddr *address)
{
	unsigned char identity[8];
	Share	  **place;

	identify(address, identity);
	place = table_place(identity);
	if (*place == NULL)
	{
		Share	   *share = calloc(1, sizeof(Share));

		if (share == NULL)
			return NULL;
		memcpy(share->address, identity, sizeof(share->address));
		*place = share;
	}
	(*place)->connections++;
	(*place)->holders++;
	return *place;
}

void
share_leave(Share *share)
{
	share->connections--;
	share_release(share);
}

void
share_hold(Share *share)
{
	if (share)
		share->holders++;
}

void
share_release(Share *share)
{
	Share	  **place;

	if (share == NULL || --share->holders > 0)
		return;
	place = table_place(share->address);
	*place = share->next;
	free(share);
}

bool
share_has_room(const Share *share, Resource resource, size_t amount)
{
	if (share == NULL)
		return false;
	return used[resource] == 0 ||
		(used[resource] + amount <= bound_of(resource) &&
		 share->used[resource] + amount <= share_of(bound_of(resource)));
}

void
share_take(Share *share, Resource resource, size_t amount)
{
	used[resource] += amount;
	if (share)
		share->used[resource] += amount;
}

void
share_give(Share *share, Resource resource, size_t amount)
{
	used[resource] -= amount;
	if (share)
		share->used[resource] -= amount;
}
