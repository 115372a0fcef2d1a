/*
 * log.c
 *		Events on stderr, one line each: time, process, what happened.
 */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "log.h"

#define TOKEN_PREFIX "/applications/"
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

void
log_shorten_path(const char *path, char *buffer, unsigned size)
{
	size_t		prefix = strlen(TOKEN_PREFIX);
	size_t		token;

	if (strncmp(path, TOKEN_PREFIX, prefix) != 0)
	{
		snprintf(buffer, size, "%s", path);
		return;
	}
	token = strcspn(path + prefix, "/?");
	snprintf(buffer, size, "%s%.*s%s%s", TOKEN_PREFIX,
			 token > TOKEN_SHOWN ? TOKEN_SHOWN : (int) token, path + prefix,
			 token > TOKEN_SHOWN ? "..." : "", path + prefix + token);
}
