/*
 * access_log.c
 *		One log line per request, as text or as JSON.
 *
 * A token is a credential, as are keys and tokens of users (JWT), and a client may put it
 * anywhere into a target. So whatever may be one is cut to its first characters, wherever it
 * stands.
 */
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/json_writer.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/settings.h"
#include "http/access_log.h"
#include "http/router.h"

#define TOKEN_PREFIX "/applications/"
#define TOKEN_DIGITS 32
#define TOKEN_SHOWN 6
#define JWT_PREFIX "eyJ"		/* of an object in base64url */
#define TARGET_SIZE 512			/* of a target that is logged */

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
	static const char jwt[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.";
	size_t		length = 0;
	size_t		digit;
	int			digits = 0;

	if (strncmp(text, JWT_PREFIX, strlen(JWT_PREFIX)) == 0)
		return strspn(text, jwt);
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

/* Writes a member that is a text. Other characters than those of ASCII are percent-encoded, as in a URI. */
static void
member_ascii(Json *json, const char *name, const char *text)
{
	char		encoded[3 * TARGET_SIZE];
	size_t		used = 0;

	for (; *text && used + 4 < sizeof(encoded); text++)
	{
		if (*text > ' ' && *text <= '~')
			encoded[used++] = *text;
		else
			used += snprintf(encoded + used, 4, "%%%02X", (unsigned char) *text);
	}
	json_member_text(json, name, encoded, used);
}

static void
log_json(const Request *request, const char *target, unsigned status, uint64_t microseconds)
{
	Json		json = {0};
	char		time[LOG_TIME_SIZE];
	char		seconds[32];
	char	   *line;

	log_time(time);
	snprintf(seconds, sizeof(seconds), "%llu.%06u", (unsigned long long) microseconds / 1000000,
			 (unsigned) (microseconds % 1000000));
	json_open(&json, '{');
	json_member_text(&json, "time", time, strlen(time));
	json_member_number(&json, "pid", (int) getpid());
	json_member_text(&json, "id", request->id.text, strlen(request->id.text));
	if (request->method)
		member_ascii(&json, "method", request->method);
	member_ascii(&json, "target", target);
	if (request->route)
		json_member_text(&json, "route", request->route->pattern, strlen(request->route->pattern));
	json_member_number(&json, "status", (int) status);
	json_member_number(&json, "bytes", (int) request->response_length);
	json_member_value(&json, "seconds", seconds, strlen(seconds));
	json_close(&json, '}');
	line = json_end(&json);
	if (line)
		log_line(line);
	free(line);
}

void
access_log(const Request *request, unsigned status)
{
	char		target[TARGET_SIZE];
	uint64_t	microseconds = loop_clock() - request->received_at;

	shorten_target(request->target, target, sizeof(target));
	if (settings.access_log_json)
		log_json(request, target, status, microseconds);
	else
		log_event("access: %s %s %u %zu %llums %s", request->method ? request->method : "-", target,
				  status, request->response_length, (unsigned long long) microseconds / 1000, request->id.text);
}
