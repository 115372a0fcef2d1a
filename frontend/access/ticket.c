/*
 * ticket.c
 *		Tickets, which replace a credential in a URL.
 *
 * Neither EventSource nor a link can send a header. A ticket is good for one
 * GET within 30 seconds, with the grant of the credential that it was issued
 * for. The database keeps that grant under the digest of the ticket, so that
 * every chatd can take it. A ticket is only valid as long as its credential;
 * so the grant includes the identity of that.
 */
#include <jansson.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "access/ticket.h"
#include "common/json_writer.h"

bool
ticket_make(char ticket[TICKET_SIZE])
{
	unsigned char random[(TICKET_SIZE - 1) / 2];

	if (RAND_bytes(random, sizeof(random)) != 1)
		return false;
	for (size_t i = 0; i < sizeof(random); i++)
		sprintf(ticket + 2 * i, "%02x", random[i]);
	return true;
}

bool
ticket_digest(const char *text, size_t length, char hex[DIGEST_HEX_SIZE + 1])
{
	Digest		digest;

	if (length != TICKET_SIZE - 1 || strspn(text, "0123456789abcdef") != length)
		return false;
	digest = digest_of(text, length);
	digest_to_hex(&digest, hex);
	hex[DIGEST_HEX_SIZE] = '\0';
	return true;
}

char *
ticket_content(const Grant *grant)
{
	Json		json = {0};
	char		expiry[24];

	json_open(&json, '{');
	json_member_text(&json, "scope", scope_name(grant->scope), strlen(scope_name(grant->scope)));
	json_member_number(&json, "application", grant->application);
	json_member_number(&json, "key", grant->key);
	if (grant->token)
		json_member_text(&json, "token", grant->token, strlen(grant->token));
	if (grant->user)
		json_member_text(&json, "user", grant->user, strlen(grant->user));
	if (grant->digest)
		json_member_text(&json, "digest", grant->digest, strlen(grant->digest));
	if (grant->kid)
		json_member_text(&json, "kid", grant->kid, strlen(grant->kid));
	json_name(&json, "all_chats");
	json_value(&json, grant->all_chats ? "true" : "false", strlen(grant->all_chats ? "true" : "false"));
	json_name(&json, "expires_at");
	json_value(&json, expiry, (size_t) sprintf(expiry, "%lld", (long long) grant->expires_at));
	json_name(&json, "chats");
	json_open(&json, '[');
	for (int i = 0; i < grant->chat_count; i++)
		json_number(&json, grant->chats[i]);
	json_close(&json, ']');
	json_close(&json, '}');
	return json_end(&json);
}

/* Copies a string, if there is one. Returns false if out of memory. */
static bool
copy_string(const json_t *content, const char *name, char **text)
{
	const json_t *value = json_object_get(content, name);

	return !json_is_string(value) || grant_set(text, json_string_value(value));
}

static bool
copy_chats(const json_t *chats, Grant *grant)
{
	grant->chats = calloc(json_array_size(chats) + 1, sizeof(int));
	for (size_t i = 0; grant->chats && i < json_array_size(chats); i++)
		grant->chats[grant->chat_count++] = (int) json_integer_value(json_array_get(chats, i));
	return grant->chats != NULL;
}

Grant *
ticket_grant(const char *text)
{
	json_t	   *content = json_loads(text, 0, NULL);
	const char *scope = json_string_value(json_object_get(content, "scope"));
	Grant	   *grant = scope ? grant_new() : NULL;

	if (grant)
	{
		grant->scope = scope_parse(scope);
		grant->application = (int) json_integer_value(json_object_get(content, "application"));
		grant->key = (int) json_integer_value(json_object_get(content, "key"));
		grant->all_chats = json_is_true(json_object_get(content, "all_chats"));
		grant->expires_at = json_integer_value(json_object_get(content, "expires_at"));
	}
	/* All or nothing: a part of the grant might allow more. */
	if (grant && !(copy_string(content, "token", &grant->token) && copy_string(content, "user", &grant->user) &&
				   copy_string(content, "digest", &grant->digest) && copy_string(content, "kid", &grant->kid) &&
				   copy_chats(json_object_get(content, "chats"), grant)))
	{
		grant_release(grant);
		grant = NULL;
	}
	json_decref(content);
	return grant;
}
