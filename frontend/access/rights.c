/*
 * rights.c
 *		The table of rights: which scope each route needs, and which kinds of
 *		callers it serves.
 *
 * There is a line for each method of each route; README.md shows the same
 * table, and a test compares both with the routes. A route that is not in the
 * table needs a key of scope admin that is bound to no application.
 */
#include <openssl/crypto.h>
#include <string.h>

#include "access/rights.h"
#include "common/settings.h"
#include "http/router.h"

static const Right rights[] = {
	{"GET", "/", SCOPE_NONE, REACH_CHAT, 0},
	{"GET", "/healthz", SCOPE_NONE, REACH_CHAT, 0},
	{"GET", "/readyz", SCOPE_NONE, REACH_CHAT, 0},
	{"GET", "/console", SCOPE_NONE, REACH_CHAT, 0},
	{"GET", "/status", SCOPE_ADMIN, REACH_SERVER, 0},
	{"GET", "/openapi.json", SCOPE_NONE, REACH_CHAT, 0},
	{"GET", "/metrics", SCOPE_READ, REACH_SERVER, 0},
	{"GET", "/applications", SCOPE_READ, REACH_KEYS, 0},
	{"POST", "/applications", SCOPE_ADMIN, REACH_SERVER, 0},
	{"GET", "/applications/{token}", SCOPE_READ, REACH_APPLICATION, 0},
	{"POST", "/applications/{token}/tickets", SCOPE_READ, REACH_CHAT, 0},
	{"POST", "/applications/{token}/messages", SCOPE_WRITE, REACH_APPLICATION, 1},
	{"GET", "/applications/{token}/messages/search", SCOPE_READ, REACH_APPLICATION, 0},
	{"GET", "/applications/{token}/export", SCOPE_ADMIN, REACH_KEYS, 0},
	{"POST", "/applications/{token}/import", SCOPE_ADMIN, REACH_KEYS, 1},
	{"GET", "/applications/{token}/stream", SCOPE_READ, REACH_CHAT, 0},
	{"GET", "/applications/{token}/cursors/{reader}", SCOPE_READ, REACH_CHAT, 0},
	{"GET", "/applications/{token}/chats", SCOPE_READ, REACH_APPLICATION, 0},
	{"POST", "/applications/{token}/chats", SCOPE_WRITE, REACH_KEYS, 0},
	{"GET", "/applications/{token}/chats/{chat}", SCOPE_READ, REACH_CHAT, 0},
	{"DELETE", "/applications/{token}/chats/{chat}", SCOPE_ADMIN, REACH_KEYS, 0},
	{"GET", "/applications/{token}/chats/{chat}/cursors", SCOPE_READ, REACH_CHAT, 0},
	{"GET", "/applications/{token}/chats/{chat}/cursors/{reader}", SCOPE_READ, REACH_CHAT, 0},
	{"PUT", "/applications/{token}/chats/{chat}/cursors/{reader}", SCOPE_WRITE, REACH_CHAT, 0},
	{"GET", "/applications/{token}/chats/{chat}/export", SCOPE_ADMIN, REACH_KEYS, 0},
	{"POST", "/applications/{token}/chats/{chat}/import", SCOPE_ADMIN, REACH_KEYS, 1},
	{"GET", "/applications/{token}/chats/{chat}/messages", SCOPE_READ, REACH_CHAT, 0},
	{"POST", "/applications/{token}/chats/{chat}/messages", SCOPE_WRITE, REACH_CHAT, 1},
	{"GET", "/applications/{token}/chats/{chat}/messages/search", SCOPE_READ, REACH_CHAT, 0},
	{"GET", "/applications/{token}/chats/{chat}/messages/changes", SCOPE_READ, REACH_CHAT, 0},
	{"GET", "/applications/{token}/chats/{chat}/messages/stream", SCOPE_READ, REACH_CHAT, 0},
	{"GET", "/applications/{token}/chats/{chat}/messages/{message}", SCOPE_READ, REACH_CHAT, 0},
	{"PATCH", "/applications/{token}/chats/{chat}/messages/{message}", SCOPE_WRITE, REACH_CHAT, 1},
	{"DELETE", "/applications/{token}/chats/{chat}/messages/{message}", SCOPE_WRITE, REACH_CHAT, 0},
};

static const Right all_there_is = {"", "", SCOPE_ADMIN, REACH_SERVER, 0};

static Scope trusted;			/* the scope that a token in the path gives */

const char *
rights_read(void)
{
	trusted = settings.trust_tokens ? scope_parse(settings.trust_tokens) : SCOPE_NONE;
	if (settings.trust_tokens && (trusted == SCOPE_NONE || trusted == SCOPE_ADMIN))
		return "--trust-tokens must be read or write";
	return NULL;
}

const Right *
right_of(const Request *request)
{
	const char *method = strcmp(request->method, "HEAD") == 0 ? "GET" : request->method;

	for (size_t i = 0; i < sizeof(rights) / sizeof(rights[0]); i++)
		if (strcmp(rights[i].pattern, request->route->pattern) == 0 && strcmp(rights[i].method, method) == 0)
			return &rights[i];
	return &all_there_is;
}

bool
right_reaches_users(const Right *right)
{
	return right->reach >= REACH_APPLICATION;
}

/*
 * Returns whether a segment of the path names the application of a grant, by
 * its token or its id.
 */
static bool
names_application(const Text *path, const Grant *grant)
{
	int			id = 0;

	/* In constant time: the token is shown to keys of scope admin alone. */
	if (path->length == strlen(grant->token) && CRYPTO_memcmp(path->bytes, grant->token, path->length) == 0)
		return true;
	return uri_number(path->bytes, path->length, 1, &id) && id == grant->application;
}

bool
right_allows(const Right *right, const Grant *grant, const Text *application, int chat, const char **reason)
{
	*reason = NULL;
	if (grant->scope < right->scope)
		*reason = "The credential's scope is not enough for this.";
	else if (right->reach == REACH_SERVER && grant->application)
		*reason = "This takes a key that is bound to no application.";
	else if (grant->user && !right_reaches_users(right))
		*reason = "This takes a key.";
	/* The same answer, whether there is such an application or not. */
	else if (grant->token && application && !names_application(application, grant))
		*reason = "The credential is for another application.";
	else if (right->reach == REACH_APPLICATION && !grant->all_chats)
		*reason = "The credential is for some chats of the application only.";
	else if (right->reach == REACH_CHAT && chat && !grant_has_chat(grant, chat))
		*reason = "The credential is not for this chat.";
	return *reason == NULL;
}

bool
right_trusts_token(const Right *right)
{
	return right->scope <= trusted && strstr(right->pattern, "{token}");
}
