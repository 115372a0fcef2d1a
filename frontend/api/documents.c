/*
 * documents.c
 *		Handlers of what is the same for everybody: the description of the API, and the console.
 *
 * The description, openapi.json beside this file, says VERSION where chatd puts its own. It has a
 * part for each route of routes.c; a test compares both.
 *
 * The console may run its own script and style, which the policy names by their hashes, and nothing
 * else: whatever came into the page by a message would not run. No text can become markup, or code, in it at all
 * (Trusted Types, where the browser has them).
 */
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/handlers.h"
#include "common/settings.h"
#include "http/response.h"
#include "pages/asset.h"

#define PLACE "\"VERSION\""
#define HASH_SIZE 32
#define HASH_TEXT_SIZE 45		/* in base64, with a NUL */

void
description_show(Request *request)
{
	const char *place = strstr(asset_openapi, PLACE);
	char	   *body;

	if (asprintf(&body, "%.*s\"" CHATD_VERSION "\"%s", (int) (place - asset_openapi), asset_openapi, place + strlen(PLACE)) < 0)
		body = NULL;
	respond_ok(request, body, NULL);
}

/* The hash of the text between the tags, as a policy has it. */
static void
hash_element(const char *opening, const char *closing, char hash[HASH_TEXT_SIZE])
{
	const char *start = strstr(asset_console, opening) + strlen(opening);
	unsigned char bytes[HASH_SIZE];

	EVP_Digest(start, strstr(start, closing) - start, bytes, NULL, EVP_sha256(), NULL);
	EVP_EncodeBlock((unsigned char *) hash, bytes, sizeof(bytes));
}

/* The Content-Security-Policy of the console. */
static const char *
console_policy(void)
{
	static char policy[512];
	char		script[HASH_TEXT_SIZE];
	char		style[HASH_TEXT_SIZE];

	if (*policy)
		return policy;
	hash_element("<script>", "</script>", script);
	hash_element("<style>", "</style>", style);
	snprintf(policy, sizeof(policy), "default-src 'none'; script-src 'sha256-%s'; style-src 'sha256-%s'; connect-src 'self';"
			 " base-uri 'none'; form-action 'none'; frame-ancestors 'none';"
			 " require-trusted-types-for 'script'; trusted-types 'none'", script, style);
	return policy;
}

void
console_show(Request *request)
{
	request->content_type = "text/html; charset=utf-8";
	respond_ok(request, strdup(asset_console), NULL);
	response_header(request, "Content-Security-Policy", console_policy());
	response_header(request, "X-Content-Type-Options", "nosniff");
	response_header(request, "Referrer-Policy", "no-referrer");
	response_header(request, MHD_HTTP_HEADER_CACHE_CONTROL, "no-cache");
}
