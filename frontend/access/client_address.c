/*
 * client_address.c
 *		The address of a client, which may be behind gateways.
 *
 * A gateway appends the address from which it got a request to Forwarded (RFC
 * 7239) or X-Forwarded-For; earlier entries came with the request, and may be
 * forged. So the list is read from its end, for as long as its entries are
 * trusted proxies. A client can also send the header that its gateway does not
 * use: if a request has both headers and they disagree, the gateway counts as
 * the client.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "access/client_address.h"
#include "access/list.h"
#include "common/settings.h"

#define PROXIES_MAX 64
#define FORWARDED_MAX 4096		/* bytes of a header, with all its lines */
#define ADDRESS_TEXT 64
#define X_FORWARDED_FOR "X-Forwarded-For"

typedef struct Network
{
	struct in6_addr address;
	int			bits;			/* bits of the prefix */
} Network;

static Network proxies[PROXIES_MAX];
static int	proxy_count;

/* Maps an IPv4 address into IPv6. */
static struct in6_addr
map_ipv4(struct in_addr ip)
{
	struct in6_addr mapped = {.s6_addr = {[10] = 0xff, [11] = 0xff}};

	memcpy(mapped.s6_addr + 12, &ip, sizeof(ip));
	return mapped;
}

bool
address_parse(const char *text, size_t length, struct in6_addr *address)
{
	char		copy[ADDRESS_TEXT];
	struct in_addr ip;
	const char *host = copy;
	char	   *end;

	if (length == 0 || length >= sizeof(copy))
		return false;
	memcpy(copy, text, length);
	copy[length] = '\0';
	if (*copy == '[')
	{
		host = copy + 1;
		end = strchr(copy, ']');
		if (end == NULL || (end[1] != '\0' && end[1] != ':'))
			return false;
		*end = '\0';
	}
	else if ((end = strchr(copy, ':')) != NULL && strchr(end + 1, ':') == NULL)
		*end = '\0';
	if (inet_pton(AF_INET, host, &ip) == 1)
	{
		*address = map_ipv4(ip);
		return *copy != '[';
	}
	return inet_pton(AF_INET6, host, address) == 1;
}

/* Reads an element of the setting, ADDRESS or ADDRESS/BITS. */
static bool
take_proxy(const char *element, size_t length)
{
	const char *slash = memchr(element, '/', length);
	size_t		address_length = slash ? (size_t) (slash - element) : length;
	Network    *network = &proxies[proxy_count];
	int			most = memchr(element, ':', address_length) ? 128 : 32;
	int			bits = most;

	if (proxy_count == PROXIES_MAX || !address_parse(element, address_length, &network->address))
		return false;
	if (slash && !uri_number(slash + 1, length - address_length - 1, 0, &bits))
		return false;
	if (bits > most)
		return false;
	network->bits = bits + 128 - most;
	proxy_count++;
	return true;
}

const char *
client_addresses_read(void)
{
	proxy_count = 0;
	return list_each(settings.trusted_proxies, "trusted-proxies", "an address, or a network such as 10.0.0.0/8, nor one of 64 at most", take_proxy);
}

static bool
is_trusted(const struct in6_addr *address)
{
	for (int i = 0; i < proxy_count; i++)
	{
		int			bytes = proxies[i].bits / 8;
		int			rest = proxies[i].bits % 8;
		int			differing = bytes < 16 ? address->s6_addr[bytes] ^ proxies[i].address.s6_addr[bytes] : 0;

		if (memcmp(address, &proxies[i].address, bytes) == 0 && (rest == 0 || differing >> (8 - rest) == 0))
			return true;
	}
	return false;
}

/* The lines of a header, joined into one list. */
typedef struct Lines
{
	const char *name;
	char		text[FORWARDED_MAX];
	size_t		length;
	bool		too_long;
} Lines;

static enum MHD_Result
take_line(void *owner, enum MHD_ValueKind kind, const char *name, size_t name_length,
		  const char *value, size_t value_length)
{
	Lines	   *lines = owner;

	(void) kind;
	if (value == NULL || name_length != strlen(lines->name) || strncasecmp(name, lines->name, name_length) != 0)
		return MHD_YES;
	if (lines->length + value_length + 1 > sizeof(lines->text))
	{
		lines->too_long = true;
		return MHD_NO;
	}
	if (lines->length > 0)
		lines->text[lines->length++] = ',';
	memcpy(lines->text + lines->length, value, value_length);
	lines->length += value_length;
	return MHD_YES;
}

static bool
is_space(char character)
{
	return character == ' ' || character == '\t';
}

/* Strips white space, and then quotes, from a text. */
static void
trim(const char **text, size_t *length)
{
	const char *start = *text;
	const char *end = start + *length;

	while (start < end && is_space(*start))
		start++;
	while (start < end && is_space(end[-1]))
		end--;
	if (end - start > 1 && *start == '"' && end[-1] == '"')
	{
		start++;
		end--;
	}
	*text = start;
	*length = end - start;
}

/*
 * Reduces an element of Forwarded to the value of its parameter "for". Returns
 * false if it has none.
 */
static bool
find_for(const char **text, size_t *length)
{
	const char *end = *text + *length;

	for (const char *at = *text; at < end;)
	{
		const char *next = memchr(at, ';', end - at);
		const char *equals = memchr(at, '=', end - at);
		const char *name = at;
		size_t		name_length;

		if (next == NULL)
			next = end;
		if (equals && equals < next)
		{
			name_length = equals - at;
			trim(&name, &name_length);
			if (name_length == 3 && strncasecmp(name, "for", 3) == 0)
			{
				*text = equals + 1;
				*length = next - equals - 1;
				return true;
			}
		}
		at = next + 1;
	}
	return false;
}

/*
 * Returns the client that a header names, given the address of the proxy that
 * sent it: reads the list from its end, past trusted proxies.
 */
static struct in6_addr
follow(const Request *request, const char *name, bool has_parameters, struct in6_addr address)
{
	Lines		lines = {.name = name};
	size_t		end;

	MHD_get_connection_values_n(request->connection, MHD_HEADER_KIND, take_line, &lines);
	end = lines.too_long ? 0 : lines.length;
	while (end > 0 && is_trusted(&address))
	{
		const char *comma = memrchr(lines.text, ',', end);
		const char *element = comma ? comma + 1 : lines.text;
		size_t		length = lines.text + end - element;
		struct in6_addr before;

		end = comma ? (size_t) (comma - lines.text) : 0;
		if (has_parameters && !find_for(&element, &length))
			break;
		trim(&element, &length);
		if (!address_parse(element, length, &before))
			break;
		address = before;
	}
	return address;
}

static struct in6_addr
peer_address(const Request *request)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	const struct sockaddr *address = info ? info->client_addr : NULL;

	if (address && address->sa_family == AF_INET)
		return map_ipv4(((const struct sockaddr_in *) address)->sin_addr);
	if (address && address->sa_family == AF_INET6)
		return ((const struct sockaddr_in6 *) address)->sin6_addr;
	return (struct in6_addr) {0};
}

struct in6_addr
client_address(const Request *request)
{
	struct in6_addr peer = peer_address(request);
	struct in6_addr standard;
	struct in6_addr other;

	if (!is_trusted(&peer))
		return peer;
	standard = follow(request, MHD_HTTP_HEADER_FORWARDED, true, peer);
	other = follow(request, X_FORWARDED_FOR, false, peer);
	if (memcmp(&standard, &peer, sizeof(peer)) == 0)
		return other;
	if (memcmp(&other, &peer, sizeof(peer)) == 0 || memcmp(&other, &standard, sizeof(other)) == 0)
		return standard;
	return peer;
}
