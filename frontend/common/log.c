/*
 * log.c
 *		The log: one line per event on stderr, with time and process.
 */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "common/log.h"

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
	/* A log that cannot be written must not stop the service. */
	if (write(STDERR_FILENO, line, length) < 0)
		return;
}
