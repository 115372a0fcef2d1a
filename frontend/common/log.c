/*
 * log.c
 *		The log: one line per event on stderr, with time and process.
 *
 * Parts of a line come from clients and from the database. None of them may forge a line
 * or control a terminal: characters that do, or that change the order in which a line is
 * shown, are written as escapes.
 */
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "common/log.h"
#include "common/utf8.h"

#define LINE_SIZE 2048			/* below PIPE_BUF */
#define ESCAPE_SIZE sizeof("\\U0010FFFF")

/*
 * Is it a control or format character (Unicode's categories Cc and Cf) or a line
 * or paragraph separator?
 */
static bool
is_control(uint32_t character)
{
	static const uint32_t ranges[][2] = {
		{0x00, 0x1f}, {0x7f, 0x9f}, {0xad, 0xad}, {0x600, 0x605}, {0x61c, 0x61c}, {0x6dd, 0x6dd},
		{0x70f, 0x70f}, {0x890, 0x891}, {0x8e2, 0x8e2}, {0x180e, 0x180e}, {0x200b, 0x200f},
		{0x2028, 0x202e}, {0x2060, 0x206f}, {0xfeff, 0xfeff}, {0xfff9, 0xfffb}, {0x110bd, 0x110bd},
		{0x110cd, 0x110cd}, {0x13430, 0x1343f}, {0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a},
		{0xe0000, 0xe007f},
	};

	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
		if (character >= ranges[i][0] && character <= ranges[i][1])
			return true;
	return false;
}

/*
 * Appends text to a line as far as it has room. Control characters of ASCII become spaces;
 * others, and bytes that are not UTF-8, become escapes. Returns the line's length.
 */
static size_t
append_printable(char *line, size_t used, const char *text)
{
	size_t		length = strlen(text);

	while (length > 0 && used + ESCAPE_SIZE < LINE_SIZE)
	{
		uint32_t	character;
		int			size = utf8_decode(text, length, &character);

		if (size == 0)
		{
			used += sprintf(line + used, "\\x%02X", (unsigned char) *text);
			size = 1;
		}
		else if (size == 1)
			line[used++] = is_control(character) ? ' ' : *text;
		else if (is_control(character))
			used += sprintf(line + used, character > 0xffff ? "\\U%08X" : "\\u%04X", character);
		else
		{
			memcpy(line + used, text, size);
			used += size;
		}
		text += size;
		length -= size;
	}
	return used;
}

void
log_time(char time[LOG_TIME_SIZE])
{
	struct timespec now;
	struct tm	utc;
	size_t		length;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &utc);
	length = strftime(time, LOG_TIME_SIZE, "%Y-%m-%dT%H:%M:%S", &utc);
	snprintf(time + length, LOG_TIME_SIZE - length, ".%03uZ", (unsigned) (now.tv_nsec / 1000000) % 1000);
}

void
log_line(const char *line)
{
	struct pollfd output = {.fd = STDERR_FILENO, .events = POLLOUT};
	struct iovec parts[2] = {{(char *) line, strlen(line)}, {"\n", 1}};

	/*
	 * A log that cannot be written must not stop the service, nor a pipe that nobody reads block
	 * it: one that is ready takes this much at once.
	 */
	if (poll(&output, 1, 0) > 0 && writev(STDERR_FILENO, parts, 2) < 0)
		return;
}

void
log_event(const char *format,...)
{
	char		line[LINE_SIZE];
	char		text[LINE_SIZE];
	char		time[LOG_TIME_SIZE];
	size_t		length;
	va_list		arguments;

	log_time(time);
	length = snprintf(line, sizeof(line), "%s chatd[%d] ", time, (int) getpid());
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	length = append_printable(line, length, text);
	while (length > 0 && line[length - 1] == ' ')
		length--;
	line[length] = '\0';
	log_line(line);
}
