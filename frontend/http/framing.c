/*
 * framing.c
 *		Refuses requests whose framing is ambiguous.
 *
 * libmicrohttpd 0.9.75 accepts many requests that a proxy in front of it may read
 * differently, so that a part of one request runs as another (request
 * smuggling): two lengths, a space before a colon, a line that ends in a bare
 * line feed, a NUL in the middle. It parses in place, which leaves traces: name
 * and value of each header stay where they were received, each line after the
 * previous one. A line must therefore begin exactly two bytes (CR LF) after the
 * end of the previous value; a bare LF, a folded line and a NUL each break that.
 * Version 1 refuses these by itself.
 */
#include <ctype.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "http/framing.h"
#include "http/request_id.h"
#include "http/uri.h"

#define LENGTH_DIGITS 18		/* of a Content-Length, so that it is below 2^63 */

typedef struct Walk
{
	Headers    *headers;
	Refusal		refusal;
	const char *expected;		/* where the next header must begin, or NULL */
	int			lengths;
	int			codings;
} Walk;

/* Is it a token of HTTP, as names of headers and methods must be? */
static bool
is_token(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (!isalnum((unsigned char) text[i]) && (!text[i] || !strchr("!#$%&'*+-.^_`|~", text[i])))
			return false;
	return length > 0;
}

static bool
is_control(char byte)
{
	return (unsigned char) byte < 0x20 || byte == 0x7f;
}

static bool
has_control(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (is_control(text[i]) && text[i] != '\t')
			return true;
	return false;
}

static bool
is_name(const char *name, size_t length, const char *wanted)
{
	return length == strlen(wanted) && strncasecmp(name, wanted, length) == 0;
}

static void
refuse(Refusal *refusal, unsigned status, const char *reason)
{
	if (refusal->status == 0)
		*refusal = (Refusal) {status, reason};
}

/*
 * Is it the host[:port] of a URI, or empty? Two proxies may find different hosts
 * in anything else.
 */
static bool
is_host(const char *value, size_t length)
{
	const char *end = value + length;
	bool		literal = length > 0 && *value == '[';
	const char *host = value + literal;

	/* An address in brackets has colons, a name has none. */
	for (value = host; value < end; value++)
	{
		if (*value == '%' && !literal && end - value > 2 &&
			isxdigit((unsigned char) value[1]) && isxdigit((unsigned char) value[2]))
			value += 2;
		else if (!isalnum((unsigned char) *value) && (!*value || !strchr("-._~!$&'()*+,;=", *value)) &&
				 !(literal && *value == ':'))
			break;
	}
	if (literal && (value == host || value == end || *value++ != ']'))
		return false;
	if (value < end && *value++ != ':')
		return false;
	while (value < end && isdigit((unsigned char) *value))
		value++;
	return value == end;
}

static void
check_length(Walk *walk, const char *value, size_t length)
{
	uint64_t	number = 0;

	if (walk->lengths++ > 0)
		refuse(&walk->refusal, 400, "There is more than one Content-Length.");
	for (size_t i = 0; i < length; i++)
	{
		if (!isdigit((unsigned char) value[i]))
			refuse(&walk->refusal, 400, "The Content-Length is not a number.");
		number = number * 10 + (value[i] - '0');
	}
	if (length == 0)
		refuse(&walk->refusal, 400, "The Content-Length is empty.");
	if (length > LENGTH_DIGITS)
		refuse(&walk->refusal, 413, "The body is too large.");
	walk->headers->content_length = number;
}

/*
 * Headers of which one value counts: where it goes, and how a second is refused; NULL: with a second, neither
 * counts.
 */
#define SINGLE(name, member) {name, sizeof(name) - 1, offsetof(Headers, member), "There is more than one " name "."}
static const struct
{
	const char *name;
	size_t		length;
	size_t		place;
	const char *repeated;
}			singles[] = {

	SINGLE(MHD_HTTP_HEADER_HOST, host),
	SINGLE(MHD_HTTP_HEADER_CONTENT_TYPE, content_type),
	SINGLE(MHD_HTTP_HEADER_AUTHORIZATION, authorization),
	SINGLE(MHD_HTTP_HEADER_ORIGIN, origin),
	SINGLE("Sec-Fetch-Site", fetch_site),
	SINGLE(MHD_HTTP_HEADER_ACCESS_CONTROL_REQUEST_METHOD, preflight),
	SINGLE("Idempotency-Key", idempotency_key),
	SINGLE(MHD_HTTP_HEADER_IF_MATCH, if_match),
	SINGLE("Commit-LSN", commit_lsn),
	{MHD_HTTP_HEADER_ACCEPT, sizeof(MHD_HTTP_HEADER_ACCEPT) - 1, offsetof(Headers, accept), NULL},
	{REQUEST_ID_HEADER, sizeof(REQUEST_ID_HEADER) - 1, offsetof(Headers, request_id), NULL},
};

static void
take_single(Walk *walk, const char *name, size_t name_length, const char *value)
{
	for (size_t i = 0; i < sizeof(singles) / sizeof(singles[0]); i++)
	{
		const char **place = (const char **) ((char *) walk->headers + singles[i].place);

		if (name_length != singles[i].length || strncasecmp(name, singles[i].name, name_length) != 0)
			continue;
		if (*place && singles[i].repeated)
			refuse(&walk->refusal, 400, singles[i].repeated);
		*place = *place && !singles[i].repeated ? "" : value;
	}
}

static enum MHD_Result
check_header(void *owner, enum MHD_ValueKind kind, const char *name, size_t name_length,
			 const char *value, size_t value_length)
{
	Walk	   *walk = owner;

	(void) kind;
	if (value == NULL)
		value = "", value_length = 0;
	if (walk->expected)
	{
		if (name != walk->expected)
			refuse(&walk->refusal, 400, "A header line does not end in CR LF, is folded or has a NUL in it.");
		walk->expected = value + value_length + 2;
	}
	if (!is_token(name, name_length))
		refuse(&walk->refusal, 400, "The name of a header has a character that is not allowed.");
	if (has_control(value, value_length))
		refuse(&walk->refusal, 400, "A header has a control character in it.");

	take_single(walk, name, name_length, value);
	if (is_name(name, name_length, MHD_HTTP_HEADER_HOST) && !is_host(value, value_length))
		refuse(&walk->refusal, 400, "The Host is not a host with or without a port.");
	if (is_name(name, name_length, MHD_HTTP_HEADER_CONTENT_LENGTH))
		check_length(walk, value, value_length);
	else if (is_name(name, name_length, MHD_HTTP_HEADER_TRANSFER_ENCODING))
	{
		if (walk->codings++ > 0)
			refuse(&walk->refusal, 400, "There is more than one Transfer-Encoding.");
		if (!is_name(value, value_length, "chunked"))
			refuse(&walk->refusal, 400, "The only Transfer-Encoding known is chunked.");
		walk->headers->chunked = true;
	}
	else if (is_name(name, name_length, MHD_HTTP_HEADER_EXPECT))
	{
		if (!is_name(value, value_length, "100-continue"))
			refuse(&walk->refusal, 417, "The only Expect known is 100-continue.");
		walk->headers->expects_continue = true;
	}
	else if (is_name(name, name_length, MHD_HTTP_HEADER_CONTENT_ENCODING))
		walk->headers->encoded = walk->headers->encoded || !is_name(value, value_length, "identity");
	return MHD_YES;
}

/*
 * Checks the target. In libmicrohttpd's buffer it ends with a NUL, which is
 * followed by the version.
 */
static void
check_target(Refusal *refusal, const char *method, const char *target, const char *received,
			 const char *version)
{
	const char *path = uri_path(target);
	size_t		length = strlen(target);

	if (version > received && (size_t) (version - received) != length + 1)
		refuse(refusal, 400, "The request line has a NUL or more than one space in it.");
	for (size_t i = 0; i < length; i++)
		if (is_control(target[i]) || target[i] == ' ' || target[i] == '#')
			refuse(refusal, 400, "The path has a character in it that must be percent-encoded.");
	if (path != target)
	{
		const char *authority = strstr(target, "//") + 2;
		size_t		authority_length = strcspn(authority, "/?");

		if (authority_length == 0 || !is_host(authority, authority_length))
			refuse(refusal, 400, "The target is a URI without a host.");
	}
	if (path[0] != '/' && !(strcmp(path, "*") == 0 && strcmp(method, "OPTIONS") == 0))
		refuse(refusal, 400, "The path does not begin with a slash.");
}

Refusal
framing_check(struct MHD_Connection *connection, const char *method, const char *target,
			  const char *received, const char *version, Headers *headers)
{
	Walk		walk = {.headers = headers};
	bool		old_version = strcmp(version, MHD_HTTP_VERSION_1_0) == 0;

#if MHD_VERSION < 0x01000000
	const union MHD_ConnectionInfo *head;

	walk.expected = version + strlen(version) + 2;
#endif

	if (!is_token(method, strlen(method)))
		refuse(&walk.refusal, 400, "The method has a character that is not allowed.");
	check_target(&walk.refusal, method, target, received, version);
	MHD_get_connection_values_n(connection, MHD_HEADER_KIND, check_header, &walk);

#if MHD_VERSION < 0x01000000
	/* The empty line after the last header ends the head. */
	head = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
	if (head && walk.expected + 2 != method + head->header_size)
		refuse(&walk.refusal, 400, "A header line does not end in CR LF, is folded or has a NUL in it.");
#endif

	if (walk.headers->host == NULL && !old_version)
		refuse(&walk.refusal, 400, "There is no Host.");
	if (walk.codings && walk.lengths)
		refuse(&walk.refusal, 400, "There is a Content-Length and a Transfer-Encoding.");
	if (walk.codings && old_version)
		refuse(&walk.refusal, 400, "HTTP/1.0 has no Transfer-Encoding.");
	return walk.refusal;
}
