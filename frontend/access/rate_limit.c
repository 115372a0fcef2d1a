/*
 * rate_limit.c
 *		How many requests, and messages, a caller may send.
 *
 * Buckets are in a table of a fixed size. A bucket has a few places where it may be; of
 * those, it takes the one that was used least lately: most likely it is full by now,
 * and to be full is what a caller begins with.
 */
#include <math.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdint.h>
#include <string.h>

#include "access/client_address.h"
#include "access/digest.h"
#include "access/visit.h"
#include "common/loop.h"
#include "common/settings.h"
#include "http/response.h"

#define WINDOW 10				/* seconds */
#define SETS 4096				/* a power of two */
#define WAYS 4
#define NAME_MAX_SIZE (16 + JWT_USER_MAX)

typedef enum Kind
{
	REQUESTS,
	MESSAGES,
	KINDS
} Kind;

/* The limits of one sort of caller. */
typedef struct Policy
{
	const char *names[KINDS];
	const int  *rates[KINDS];
} Policy;

typedef struct Bucket
{
	uint64_t	caller;			/* a digest of its name; 0: free */
	uint64_t	filled_at;		/* ms */
	double		level[KINDS];	/* what is in it */
} Bucket;

static const Policy of_address = {
	{"address-requests", "address-messages"}, {&settings.address_requests, &settings.address_messages}
};
static const Policy of_key = {
	{"key-requests", "key-messages"}, {&settings.key_requests, &settings.key_messages}
};
static const Policy of_user = {
	{"user-requests", "user-messages"}, {&settings.user_requests, &settings.user_messages}
};

static Bucket buckets[SETS][WAYS];

static bool
is_limited(const Policy *policy)
{
	return *policy->rates[REQUESTS] || *policy->rates[MESSAGES];
}

/* A number for a caller, which nobody can choose. */
static uint64_t
identify(const Policy *policy, const void *name, size_t length)
{
	static unsigned char secret[16];
	static bool drawn;
	char		text[sizeof(secret) + 1];
	Digest		digest;
	uint64_t	caller;

	if (!drawn)
		RAND_bytes(secret, sizeof(secret));
	drawn = true;
	memcpy(text, secret, sizeof(secret));
	text[sizeof(secret)] = policy == &of_address ? 'a' : policy == &of_key ? 'k' : 'u';
	digest = digest_of_two(text, sizeof(text), name, length);
	memcpy(&caller, digest.bytes, sizeof(caller));
	return caller ? caller : 1;
}

/* Fills a bucket up to now. */
static void
fill(Bucket *bucket, const Policy *policy)
{
	double		seconds = (double) (loop_now() - bucket->filled_at) / 1000;

	for (Kind kind = 0; kind < KINDS; kind++)
	{
		bucket->level[kind] += seconds * *policy->rates[kind];
		if (bucket->level[kind] > (double) WINDOW * *policy->rates[kind])
			bucket->level[kind] = (double) WINDOW * *policy->rates[kind];
	}
	bucket->filled_at = loop_now();
}

static Bucket *
bucket_of(const Policy *policy, uint64_t caller)
{
	Bucket	   *set = buckets[(caller >> 32) % SETS];
	Bucket	   *place = &set[0];

	for (int i = 0; i < WAYS; i++)
	{
		if (set[i].caller == caller)
		{
			fill(&set[i], policy);
			return &set[i];
		}
		if (set[i].filled_at < place->filled_at)
			place = &set[i];
	}
	*place = (Bucket) {.caller = caller, .filled_at = loop_now()};
	for (Kind kind = 0; kind < KINDS; kind++)
		place->level[kind] = (double) WINDOW * *policy->rates[kind];
	return place;
}

/* Notes what is left, for the response. */
static void
note(Visit *visit, const Policy *policy, Kind kind, double level)
{
	int			rate = *policy->rates[kind];

	visit->limits[visit->limit_count++] = (Limit) {
		.name = policy->names[kind],
		.rate = rate,
		.remaining = (int) level,
		.reset = (int) ceil((WINDOW * (double) rate - level) / rate),
	};
}

static void
refuse(Request *request, double missing, int rate)
{
	char		seconds[16];

	snprintf(seconds, sizeof(seconds), "%d", (int) fmax(1, ceil(missing / rate)));
	respond_error(request, MHD_HTTP_TOO_MANY_REQUESTS, "There are too many requests. Wait for %s s.", seconds);
	response_header(request, MHD_HTTP_HEADER_RETRY_AFTER, seconds);
}

/* Takes what a request costs from the bucket of a caller, or nothing at all. */
static bool
take(Visit *visit, const Policy *policy, const void *name, size_t length)
{
	const int	costs[KINDS] = {[REQUESTS] = 1, [MESSAGES] = visit->right->messages};
	Bucket	   *bucket = bucket_of(policy, identify(policy, name, length));
	bool		enough = true;

	for (Kind kind = 0; kind < KINDS && enough; kind++)
	{
		double		missing = costs[kind] - bucket->level[kind];

		enough = *policy->rates[kind] == 0 || missing <= 0;
		if (!enough)
			refuse(&visit->request, missing, *policy->rates[kind]);
	}
	for (Kind kind = 0; kind < KINDS; kind++)
	{
		if (*policy->rates[kind] == 0)
			continue;
		bucket->level[kind] -= enough ? costs[kind] : 0;
		if (kind == REQUESTS || costs[kind])
			note(visit, policy, kind, bucket->level[kind]);
	}
	return enough;
}

bool
rate_limit_admits_address(Visit *visit)
{
	struct in6_addr address;
	bool		mapped;

	if (!is_limited(&of_address))
		return true;
	address = client_address(&visit->request);
	mapped = IN6_IS_ADDR_V4MAPPED(&address);
	/* A client of IPv6 has all of a /64. */
	return take(visit, &of_address, mapped ? address.s6_addr + 12 : address.s6_addr, mapped ? 4 : 8);
}

bool
rate_limit_admits_grant(Visit *visit)
{
	const Grant *grant = visit->grant;
	char		name[NAME_MAX_SIZE];
	int			length;

	if (!is_limited(grant->user ? &of_user : &of_key))
		return true;
	if (!grant->user)
		return take(visit, &of_key, &grant->key, sizeof(grant->key));
	length = snprintf(name, sizeof(name), "%d %s", grant->application, grant->user);
	return take(visit, &of_user, name, (size_t) length);
}

void
rate_limit_complete(Visit *visit)
{
	char		policies[LIMITS_MAX * 64] = "";
	char		limits[LIMITS_MAX * 64] = "";
	int			used[2] = {0, 0};

	if (visit->limit_count == 0)
		return;
	for (int i = 0; i < visit->limit_count; i++)
	{
		const Limit *limit = &visit->limits[i];

		used[0] += snprintf(policies + used[0], sizeof(policies) - used[0], "%s\"%s\";q=%d;w=%d",
							i ? ", " : "", limit->name, limit->rate * WINDOW, WINDOW);
		used[1] += snprintf(limits + used[1], sizeof(limits) - used[1], "%s\"%s\";r=%d;t=%d",
							i ? ", " : "", limit->name, limit->remaining, limit->reset);
	}
	response_header(&visit->request, "RateLimit-Policy", policies);
	response_header(&visit->request, "RateLimit", limits);
}
