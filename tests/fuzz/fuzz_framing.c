/*
 * fuzz_framing.c
 *		The head of a request, parsed leniently as libmicrohttpd 0.9.75 does.
 *
 * Here stand two of the library's functions, which report the headers where they
 * were received. What the check accepts must be strict: every line ends in CR LF,
 * and there is one way to find the end of the body. Heads with a NUL are left out:
 * http/socket_calls.c is there to find them.
 */
#include <assert.h>
#include <ctype.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "http/framing.h"

#define HEADERS_MAX 256

typedef struct Header
{
	char	   *name;
	size_t		name_length;
	char	   *value;
	size_t		value_length;
} Header;

static Header headers[HEADERS_MAX];
static int	header_count;
static union MHD_ConnectionInfo information;

int
MHD_get_connection_values_n(struct MHD_Connection *connection, enum MHD_ValueKind kind,
							MHD_KeyValueIteratorN iterator, void *owner)
{
	(void) connection;
	for (int i = 0; i < header_count; i++)
		iterator(owner, kind, headers[i].name, headers[i].name_length, headers[i].value, headers[i].value_length);
	return header_count;
}

const union MHD_ConnectionInfo *
MHD_get_connection_info(struct MHD_Connection *connection, enum MHD_ConnectionInfoType type, ...)
{
	(void) connection;
	assert(type == MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
	return &information;
}

/* The next line of the head, ended in place; NULL if there is none. */
static char *
next_line(char **at, char *end)
{
	char	   *line = *at;
	char	   *feed = memchr(line, '\n', end - line);

	if (feed == NULL)
		return NULL;
	*at = feed + 1;
	*feed = '\0';
	if (feed > line && feed[-1] == '\r')
		feed[-1] = '\0';
	return line;
}

/* Parses headers up to an empty line; false if there is none. */
static bool
parse_headers(char **at, char *end)
{
	char	   *line;

	header_count = 0;
	while ((line = next_line(at, end)) != NULL && *line)
	{
		char	   *colon = strchr(line, ':');
		Header	   *header = &headers[header_count++];

		if (header_count == HEADERS_MAX)
			return false;
		header->name = line;
		header->value = line + strlen(line);
		if (colon)
		{
			*colon = '\0';
			header->value = colon + 1 + strspn(colon + 1, " \t");
		}
		header->name_length = strlen(line);
		header->value_length = strlen(header->value);
	}
	return line != NULL;
}

static int
count_headers(const char *name)
{
	int			count = 0;

	for (int i = 0; i < header_count; i++)
		count += strcasecmp(headers[i].name, name) == 0;
	return count;
}

/* Check what holds for every head that was accepted. */
static void
check_accepted(const char *original, size_t size, const char *method, const char *target, const Headers *found)
{
	for (size_t i = 0; i < size; i++)
		assert((original[i] == '\n') == (i > 0 && original[i - 1] == '\r'));
	assert(*method && (*target == '/' || strcmp(target, "*") == 0 || strncasecmp(target, "http", 4) == 0));
	assert(count_headers("Host") <= 1 && count_headers("Content-Length") <= 1);
	assert(count_headers("Transfer-Encoding") == found->chunked);
	assert(!found->chunked || count_headers("Content-Length") == 0);
	for (int i = 0; i < header_count; i++)
	{
		const char *value = headers[i].value;

		assert(headers[i].name_length > 0 && strpbrk(headers[i].name, " \t\r") == NULL);
		if (strcasecmp(headers[i].name, "Content-Length") == 0)
			assert(*value && strspn(value, "0123456789") == strlen(value) &&
				   strtoull(value, NULL, 10) == found->content_length);
		if (strcasecmp(headers[i].name, "Transfer-Encoding") == 0)
			assert(strcasecmp(value, "chunked") == 0);
	}
}

int
LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	char	   *head = malloc(size + 1);
	char	   *copy = malloc(size + 1);
	char	   *at = head;
	char	   *line;
	char	   *target;
	char	   *version;
	Headers		found = {0};

	if (head == NULL || copy == NULL)
		abort();
	memcpy(head, data, size);
	memcpy(copy, data, size);
	head[size] = copy[size] = '\0';
	line = next_line(&at, head + size);
	target = line ? strchr(line, ' ') : NULL;
	version = target ? strrchr(target + 1, ' ') : NULL;
	/* The library has looked at the version already. */
	if (version && memchr(data, '\0', size) == NULL && (strcmp(version, " HTTP/1.0") == 0 || strcmp(version, " HTTP/1.1") == 0) &&
		parse_headers(&at, head + size))
	{
		char	   *sent;
		Refusal		refusal;

		*target++ = '\0';
		*version++ = '\0';
		sent = strdup(target);
		assert(sent);
		information.header_size = at - head;
		refusal = framing_check(NULL, line, sent, target, version, &found);
		if (refusal.status == 0)
			check_accepted(copy, information.header_size, line, sent, &found);
		else
			assert(refusal.reason && refusal.status >= 400 && refusal.status < 500);
		free(sent);
	}
	free(head);
	free(copy);
	return 0;
}
