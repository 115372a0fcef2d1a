/*
 * credential.c
 *		Credentials, and the grants that they are exchanged for.
 *
 * A key is looked up in the database. A token that an application signed is
 * verified by the key that its header names; the application is the one in the
 * path, since a token does not name it. The grant of a verified token is
 * cached for as long as its key is. A ticket is taken from the database, and
 * is valid as long as the credential that it was issued for.
 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "access/api_key.h"
#include "access/application_token.h"
#include "access/caller.h"
#include "access/credential.h"
#include "access/refusal.h"
#include "access/ticket.h"
#include "common/log.h"
#include "common/loop.h"
#include "db/writes.h"
#include "http/response.h"

#define SCHEME "Bearer"
#define NO_TICKET "The ticket is unknown, used or older than 30 s, or what it was bought with is void."

static Visit *
visit_of_waiter(FactWaiter *waiter)
{
	return (Visit *) ((char *) waiter - offsetof(Visit, waiter));
}

static void
on_failure(FactWaiter *waiter, const Failure *failure)
{
	Request    *request = &visit_of_waiter(waiter)->request;

	if (failure->sqlstate == NULL)
		respond_unavailable(request, failure->message);
	else if (strcmp(failure->sqlstate, UNSTORABLE) == 0)
		refuse_invalid(request, "The token's key is not known.");
	else
	{
		log_event("database: error %s: %s, in request %s", failure->sqlstate, failure->message, request->id.text);
		respond_unavailable(request, "The database cannot do this now.");
	}
}

/* Returns the count of queries that wait for the client of a request, or NULL. */
static int *
waiting_of(const Request *request)
{
	return request->share ? &request->share->queued : NULL;
}

/* Prepares a wait for a fact, after which found is called. */
static FactWaiter *
wait_in(Visit *visit, void (*found) (FactWaiter *waiter, void *value, uint64_t until))
{
	visit->waiter = (FactWaiter) {
		.found = found,
		.failed = on_failure,
		.caller = caller_of_address(&visit->request),
		.waiting = waiting_of(&visit->request),
		.label = visit->request.id.text,
	};
	return &visit->waiter;
}

/*
 * Remembers the token of the application that the path names by its id. Returns
 * false if out of memory.
 */
static bool
keep_token(Visit *visit, const char *token)
{
	visit->token = strdup(token);
	if (visit->token == NULL)
		respond_unavailable(&visit->request, "Out of memory.");
	return visit->token != NULL;
}

static void
on_token_of_key(FactWaiter *waiter, void *value, uint64_t until)
{
	Visit	   *visit = visit_of_waiter(waiter);

	(void) until;
	/* If there is no such application, the handler reports that. */
	if (value == NULL || keep_token(visit, value))
		visit->granted(visit);
}

static void
on_key(FactWaiter *waiter, void *value, uint64_t until)
{
	Visit	   *visit = visit_of_waiter(waiter);
	const Text *application = visit_application(&visit->request);

	(void) until;
	if (value == NULL)
	{
		refuse_invalid(&visit->request, "The key is unknown, revoked or expired.");
		return;
	}
	visit->grant = grant_keep(value);
	if (application == NULL || !is_application_id(application))
		visit->granted(visit);
	/* If the key belongs to another application, right_allows() refuses it. */
	else if (visit->grant->token == NULL)
		application_token_ask(application, wait_in(visit, on_token_of_key));
	else if (keep_token(visit, visit->grant->token))
		visit->granted(visit);
}

static void
free_grant(void *value)
{
	grant_release(value);
}

static const FactType jwt_type = {.free = free_grant};

static Digest
jwt_digest(Visit *visit)
{
	Text		token = visit_token(&visit->request);

	return digest_of_two(token.bytes, token.length, visit->credential, strlen(visit->credential));
}

/* Caches the grant of a token until its key must be looked up again, or it expires. */
static void
remember(Visit *visit, int64_t now, uint64_t until)
{
	Digest		digest = jwt_digest(visit);
	uint64_t	expiry = loop_now() + (uint64_t) (visit->grant->expires_at - now) * 1000;

	fact_remember(&jwt_type, &digest, grant_keep(visit->grant), until < expiry ? until : expiry);
}

static void
on_verification_key(FactWaiter *waiter, void *value, uint64_t until)
{
	Visit	   *visit = visit_of_waiter(waiter);
	int64_t		now = (int64_t) time(NULL);
	const char *problem = "The token's key is not known.";

	if (value)
		visit->grant = jwt_grant(&visit->jwt, value, now, &problem);
	if (visit->grant == NULL)
	{
		refuse_invalid(&visit->request, problem);
		return;
	}
	if (!grant_set(&visit->grant->token, visit_token(&visit->request).bytes) || !grant_set(&visit->grant->kid, visit->jwt.kid) ||
		!grant_set(&visit->grant->digest, verification_key_digest(value)))
	{
		respond_unavailable(&visit->request, "Out of memory.");
		return;
	}
	remember(visit, now, until);
	visit->granted(visit);
}

static void
verify_jwt(Visit *visit)
{
	Digest		digest = jwt_digest(visit);
	Text		token = visit_token(&visit->request);
	const char *problem;

	visit->grant = grant_keep(fact_recall(&jwt_type, &digest));
	if (visit->grant)
	{
		visit->granted(visit);
		return;
	}
	problem = jwt_parse(visit->credential, &visit->jwt);
	if (problem)
		refuse_invalid(&visit->request, problem);
	else
		verification_key_ask(token.bytes, token.length, visit->jwt.kid, wait_in(visit, on_verification_key));
}

void
credential_recheck(const Grant *grant, FactWaiter *waiter)
{
	if (grant->key)
		api_key_ask_again(grant, waiter);
	else if (grant->expires_at > (int64_t) time(NULL))
		verification_key_ask_again(grant, waiter);
	else
		waiter->found(waiter, NULL, 0);
}

bool
credential_is_valid(const Grant *grant, const void *found)
{
	/* Another key may have got the name of one that was revoked. */
	return found != NULL && (grant->key || (grant->digest && strcmp(grant->digest, verification_key_digest(found)) == 0));
}

static void
on_ticket_checked(FactWaiter *waiter, void *value, uint64_t until)
{
	Visit	   *visit = visit_of_waiter(waiter);

	(void) until;
	if (credential_is_valid(visit->grant, value))
		visit->granted(visit);
	else
		refuse_invalid(&visit->request, NO_TICKET);
}

static Visit *
visit_of_query(Query *query)
{
	return (Visit *) ((char *) query - offsetof(Visit, query));
}

static void
on_ticket(Query *query, const Rows *rows)
{
	Visit	   *visit = visit_of_query(query);

	if (!PQgetisnull(rows->result, rows->first, 0))
		visit->grant = ticket_grant(PQgetvalue(rows->result, rows->first, 0));
	if (visit->grant)
		credential_recheck(visit->grant, wait_in(visit, on_ticket_checked));
	else
		refuse_invalid(&visit->request, NO_TICKET);
}

static void
on_no_ticket(Query *query, const Failure *failure)
{
	Visit	   *visit = visit_of_query(query);

	if (failure->sqlstate && strcmp(failure->sqlstate, NO_SUCH_ROW) == 0)
		refuse_invalid(&visit->request, NO_TICKET);
	else
		on_failure(&visit->waiter, failure);
}

static void
take_ticket(Visit *visit)
{
	Text		token = visit_token(&visit->request);

	visit->query = (Query) {
		.statement = USE_TICKET,
		.max_rows = 1,
		.since = visit->request.started_at,
		.caller = caller_of_address(&visit->request),
		.waiting = waiting_of(&visit->request),
		.label = visit->request.id.text,
		.succeeded = on_ticket,
		.failed = on_no_ticket,
	};
	query_add_text(&visit->query, token.bytes, token.length);
	query_add_text(&visit->query, visit->ticket, strlen(visit->ticket));
	writes_submit(&visit->query);
}

/* Goes on once the token of the application in the path is known. */
static void
look_up_of_application(Visit *visit)
{
	if (visit->credential)
		verify_jwt(visit);
	else
		take_ticket(visit);
}

static void
on_token(FactWaiter *waiter, void *value, uint64_t until)
{
	Visit	   *visit = visit_of_waiter(waiter);

	(void) until;
	if (value == NULL)
		refuse_invalid(&visit->request, visit->credential ? "The token's key is not known." : NO_TICKET);
	else if (keep_token(visit, value))
		look_up_of_application(visit);
}

/* A callback for the parameters of a query: takes the ticket. */
static bool
take_parameter(void *owner, Text name, Text value)
{
	Visit	   *visit = owner;

	if (strcmp(name.bytes, "ticket") == 0)
		ticket_digest(value.bytes, value.length, visit->ticket);
	free(name.bytes);
	free(value.bytes);
	return true;
}

static void
read_ticket(Visit *visit)
{
	const char *query = visit->request.query;
	bool		safe = strcmp(visit->request.method, "GET") == 0 || strcmp(visit->request.method, "HEAD") == 0;

	if (safe && strstr(query, "ticket="))
		uri_each_pair(query, strlen(query), take_parameter, visit);
}

bool
credential_is_given(const Visit *visit)
{
	return visit->credential || *visit->ticket;
}

/* Returns whether a text has the form of a bearer token, RFC 6750. */
static bool
is_token(const char *text)
{
	size_t		length = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/");

	return length > 0 && text[length + strspn(text + length, "=")] == '\0';
}

bool
credential_read(Visit *visit)
{
	const char *value = visit->request.headers.authorization;
	size_t		scheme = strlen(SCHEME);

	if (value == NULL)
	{
		read_ticket(visit);
		return true;
	}
	if (strncasecmp(value, SCHEME, scheme) != 0 || value[scheme] != ' ')
		return false;
	value += scheme + strspn(value + scheme, " ");
	if (!is_token(value))
		return false;
	visit->credential = value;
	return true;
}

void
credential_look_up(Visit *visit, void (*granted) (Visit *visit))
{
	const Text *application = visit_application(&visit->request);
	bool		is_key = visit->credential && strncmp(visit->credential, API_KEY_PREFIX, strlen(API_KEY_PREFIX)) == 0;

	visit->granted = granted;
	if (is_key)
	{
		if (!api_key_ask(visit->credential, wait_in(visit, on_key)))
			refuse_invalid(&visit->request, "The key is unknown, revoked or expired.");
	}
	else if (application == NULL)
		refuse_insufficient(&visit->request, visit->right->scope, "This takes a key.");
	else if (is_application_id(application))
		application_token_ask(application, wait_in(visit, on_token));
	else
		look_up_of_application(visit);
}
