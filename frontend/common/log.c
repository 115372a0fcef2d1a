/*
 * log.c
 *		Events on stderr, one line each: time, process, what happened.
 */
#include <ctype.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/log.h"

#define TOKEN_PREFIX "/applications/"
#define TOKEN_DIGITS 32
#define TOKEN_SHOWN 6

void
log_event(const char *format,...)
{
	char		line[2048];
	struct timespec now;
	struct tm	utc;
	size_t		length;
	va_list		arguments;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &utc);
	length = strftime(line, sizeof(line), "%Y-%m-%dT%H:%M:%S", &utc);
	length += snprintf(line + length, sizeof(line) - length, ".%03ldZ chatd[%d] ",
					   now.tv_nsec / 1000000, (int) getpid());
	va_start(arguments, format);
	length += vsnprintf(line + length, sizeof(line) - length, format, arguments);
	va_end(arguments);
	if (length > sizeof(line) - 2)
		length = sizeof(line) - 2;
	while (length > 0 && isspace((unsigned char) line[length - 1]))
		length--;
	for (size_t i = 0; i < length; i++)
		if (iscntrl((unsigned char) line[i]))
			line[i] = ' ';
	line[length++] = '\n';
	/* A log that nobody can take must not stop the service. */
	if (write(STDERR_FILENO, line, length) < 0)
		return;
}

/*
 * The length in a target of one hex digit, which may itself be percent-encoded;
 * 0 if there is none.
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

/* The length of what must not be shown whole at the start of text, or 0. */
static size_t
secret_length(const char *text)
{
	size_t		length = 0;
	size_t		digit;
	int			digits = 0;

	for (; (digit = hex_digit(text + length)) > 0; length += digit)
		digits++;
	return digits >= TOKEN_DIGITS ? length : 0;
}

void
log_shorten_target(const char *target, char *buffer, unsigned size)
{
	size_t		prefix = strlen(TOKEN_PREFIX);
	bool		named = strncmp(target, TOKEN_PREFIX, prefix) == 0;
	const char *segment = named ? target + prefix : NULL;
	unsigned	used = 0;

	while (*target && used + TOKEN_SHOWN + 4 < size)
	{
		size_t		length = secret_length(target);

		/* What stands in a token's place is perhaps one that was mistyped. */
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
