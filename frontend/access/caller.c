/*
 * caller.c
 *		Callers: an address, a key, or a user of an application.
 */
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>

#include "access/caller.h"
#include "access/client_address.h"
#include "access/digest.h"
#include "access/jwt.h"

#define NAME_MAX_SIZE (16 + JWT_USER_MAX)

typedef enum Kind
{
	ADDRESS,
	KEY,
	USER
} Kind;

/* The end of SplitMix64: each bit of the result depends on all bits of the number. */
static uint64_t
mix(uint64_t number)
{
	number = (number ^ number >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	number = (number ^ number >> 27) * UINT64_C(0x94d049bb133111eb);
	return number ^ number >> 31;
}

/* Hashes an identifier with a secret seed, so that nobody can choose collisions. The result is not 0. */
static uint64_t
identify(Kind kind, uint64_t identifier)
{
	static uint64_t secret;
	uint64_t	hash;

	if (secret == 0)
		RAND_bytes((unsigned char *) &secret, sizeof(secret));
	hash = mix(mix(identifier + secret) + kind);
	return hash ? hash : 1;
}

uint64_t
caller_of_address(const Request *request)
{
	struct in6_addr address = client_address(request);
	uint64_t	identifier = 0;

	if (IN6_IS_ADDR_V4MAPPED(&address))
		memcpy(&identifier, address.s6_addr + 12, 4);
	else
		memcpy(&identifier, address.s6_addr, sizeof(identifier));
	return identify(ADDRESS, identifier);
}

static uint64_t
caller_of_user(const Grant *grant)
{
	char		name[NAME_MAX_SIZE];
	Digest		digest = digest_of(name, (size_t) snprintf(name, sizeof(name), "%d %s", grant->application, grant->user));
	uint64_t	identifier;

	memcpy(&identifier, digest.bytes, sizeof(identifier));
	return identify(USER, identifier);
}

uint64_t
caller_of_grant(Grant *grant)
{
	/* Once for all requests that share the grant. */
	if (grant->caller == 0)
		grant->caller = grant->user ? caller_of_user(grant) : identify(KEY, (uint64_t) grant->key);
	return grant->caller;
}
