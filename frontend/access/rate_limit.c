/*
 * rate_limit.c
 *		Limits of requests and messages per second.
 *
 * Buckets are in a hash table of a fixed size, which is set-associative: a
 * caller's bucket replaces the least recently used one of its set. That one is
 * most likely full by now, and so is the bucket of a new caller.
 */
#include <math.h>
#include <stdio.h>
#include <stdint.h>
#include <string.h>

#include "access/caller.h"
#include "access/visit.h"
#include "common/loop.h"
#include "common/settings.h"
#include "http/response.h"

#define WINDOW 10				/* seconds */
#define SETS 4096				/* a power of two */
#define WAYS 4

typedef enum Kind
{
	REQUESTS,
	MESSAGES,
	KINDS
} Kind;

/* The limits of one kind of callers. */
typedef struct Policy
{
	const char *names[KINDS];
	const int  *rates[KINDS];
} Policy;

typedef struct Bucket
{
	uint64_t	caller;			/* 0: free */
	uint64_t	filled_at;		/* ms */
	double		level[KINDS];	/* how much is left */
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

/* Fills a bucket for the time that has passed. */
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

void
rate_limits_reset(void)
{
	memset(buckets, 0, sizeof(buckets));
}

/* Remembers how much is left, for the response. */
static void
note(Visit *visit, const Policy *policy, Kind kind, double level)
{
	int			rate = *policy->rates[kind];
	int			place = 0;

	while (place < visit->limit_count && visit->limits[place].name != policy->names[kind])
		place++;
	if (place == visit->limit_count)
		visit->limit_count++;
	visit->limits[place] = (Limit) {
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
	response_pause(request);
	respond_error(request, MHD_HTTP_TOO_MANY_REQUESTS, "There are too many requests. Wait for %s s.", seconds);
	response_header(request, MHD_HTTP_HEADER_RETRY_AFTER, seconds);
}

/* Returns whether one request may have so many messages at all. If not, responds with 413. */
static bool
has_room(Request *request, const Policy *policy)
{
	int			most = WINDOW * *policy->rates[MESSAGES];

	if (most == 0 || request->items.count <= most)
		return true;
	respond_error(request, MHD_HTTP_CONTENT_TOO_LARGE, "There are too many messages in the request: %d are allowed.", most);
	return false;
}

/* Takes so many requests and messages from the bucket of a caller, or nothing if that is not enough. */
static bool
take(Visit *visit, const Policy *policy, uint64_t caller, int requests, int messages)
{
	const int	costs[KINDS] = {[REQUESTS] = requests, [MESSAGES] = messages};
	Bucket	   *bucket = bucket_of(policy, caller);
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
		if (costs[kind])
			note(visit, policy, kind, bucket->level[kind]);
	}
	return enough;
}

/* Takes so many requests and messages from what the address may send. */
static bool
take_of_address(Visit *visit, int requests, int messages)
{
	return take(visit, &of_address, caller_of_address(&visit->request), requests, messages);
}

bool
rate_limit_admits_address(Visit *visit)
{
	return !is_limited(&of_address) || take_of_address(visit, 1, visit->right->messages);
}

bool
rate_limit_admits_items(Visit *visit)
{
	int			more = (visit->request.items.count - 1) * visit->right->messages;

	if (more <= 0 || !is_limited(&of_address))
		return true;
	return has_room(&visit->request, &of_address) && take_of_address(visit, 0, more);
}

bool
rate_limit_admits_grant(Visit *visit)
{
	const Policy *policy = visit->grant->user ? &of_user : &of_key;
	int			items = visit->request.items.count;
	int			messages = items > 1 ? items * visit->right->messages : visit->right->messages;

	return !is_limited(policy) ||
		(has_room(&visit->request, policy) && take(visit, policy, caller_of_grant(visit->grant), 1, messages));
}

/* A header that is being written: there is room for all limits. */
typedef struct Header
{
	char		text[LIMITS_MAX * 64];
	char	   *end;
} Header;

static void
append_text(Header *header, const char *text)
{
	header->end = stpcpy(header->end, text);
}

static void
append_number(Header *header, int number)
{
	char		digits[12];
	char	   *first = digits + sizeof(digits) - 1;

	*first = '\0';
	do
		*--first = (char) ('0' + number % 10);
	while ((number /= 10) > 0);
	append_text(header, first);
}

/* Appends an item of a list: "name";parameter=NUMBER;parameter=NUMBER. */
static void
append_item(Header *header, const char *name, const char *first, int first_number, const char *second, int second_number)
{
	append_text(header, header->end > header->text ? ", \"" : "\"");
	append_text(header, name);
	append_text(header, first);
	append_number(header, first_number);
	append_text(header, second);
	append_number(header, second_number);
}

void
rate_limit_complete(Visit *visit)
{
	Header		policies = {.end = policies.text};
	Header		limits = {.end = limits.text};

	if (visit->limit_count == 0)
		return;
	for (int i = 0; i < visit->limit_count; i++)
	{
		const Limit *limit = &visit->limits[i];

		append_item(&policies, limit->name, "\";q=", limit->rate * WINDOW, ";w=", WINDOW);
		append_item(&limits, limit->name, "\";r=", limit->remaining, ";t=", limit->reset);
	}
	response_header(&visit->request, "RateLimit-Policy", policies.text);
	response_header(&visit->request, "RateLimit", limits.text);
}
