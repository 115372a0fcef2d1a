/*
 * access_log.c
 *		One log line per request.
 *
 * A token is a credential, and a client may put it anywhere into a target. So whatever may
 * be a token is cut to its first characters, wherever it stands.
 */
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/loop.h"
#include "http/access_log.h"

#define TOKEN_PREFIX "/applications/"
#define TOKEN_DIGITS 32
#define TOKEN_SHOWN 6

/*
 * The length of the hex digit at the start of text, which may itself be
 * percent-encoded; 0 if there is none.
 */
static size_t
hex_digit(const char *text)
{
	char		code[3] = "";

	if (isxdigit((unsigned char) *text))
		return 1;
	if (*text != '%' || !isxdigit((unsigned char) text[1]) || !isxdigit((unsigned char) text[2]))
		return 0;
	memcpy(code, text + 1, 2);
	return isxdigit((int) strtol(code, NULL, 16)) ? 3 : 0;
}

/* The length of a possible token at the start of text; 0 if there is none. */
static size_t
token_length(const char *text)
{
	size_t		length = 0;
	size_t		digit;
	int			digits = 0;

	for (; (digit = hex_digit(text + length)) > 0; length += digit)
		digits++;
	return digits >= TOKEN_DIGITS ? length : 0;
}

/* Copies a target with its tokens cut short. */
static void
shorten_target(const char *target, char *buffer, unsigned size)
{
	size_t		prefix = strlen(TOKEN_PREFIX);
	bool		named = strncmp(target, TOKEN_PREFIX, prefix) == 0;
	const char *segment = named ? target + prefix : NULL;
	unsigned	used = 0;

	while (*target && used + TOKEN_SHOWN + 4 < size)
	{
		size_t		length = token_length(target);

		/* In the place of a token, whatever stands there may be a mistyped one. */
		if (target == segment && length == 0)
			length = strcspn(target, "/?");
		if (length <= TOKEN_SHOWN)
			buffer[used++] = *target++;
		else
		{
			used += sprintf(buffer + used, "%.*s...", TOKEN_SHOWN, target);
			target += length;
		}
	}
	buffer[used] = '\0';
}

void
access_log(const Request *request, unsigned status)
{
	char		target[512];

	shorten_target(request->target, target, sizeof(target));
	log_event("access: %s %s %u %zu %llums", request->method ? request->method : "-", target,
			  status, request->response_length,
			  (unsigned long long) (loop_now() - request->started_at));
}
