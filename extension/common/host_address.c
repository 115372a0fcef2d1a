/*
 * host_address.c
 *	  The address of the host that requests go to.
 *
 * dns_resolve.c finds it, since libcurl would use a thread of its own, and the
 * end of the process would wait for that. The address of the last host is kept
 * for a minute, or until a request to it fails: the host may have moved.
 */
#include "postgres.h"

#include <arpa/inet.h>
#include <netdb.h>

#include "utils/timestamp.h"

#include "common/curl_loop.h"
#include "common/dns_resolve.h"
#include "common/host_address.h"

/* Limits on how long finding an address may take, and on how long it is kept. */
#define RESOLVE_TIMEOUT_MS 800
#define ADDRESS_LIFETIME_MS 60000

/* The last host, its address, and when that expires, by curl_loop_now(). */
static char known_host[NI_MAXHOST];
static char known_address[NI_MAXHOST];
static int64 known_until = 0;

/* Whether the host of a URL is an address already. */
static bool
is_address(const char *host)
{
	struct in_addr address;

	return *host == '[' || inet_pton(AF_INET, host, &address) == 1;
}

/*
 * Find the numeric address of a host, as a URL names it, within timeout_ms.
 * *address is valid until the next call, and NULL if the host is an address
 * itself. Returns NULL, or why there is no address. Raises an error only if the
 * process is interrupted.
 */
const char *
host_address_find(const char *host, long timeout_ms, const char **address)
{
	static DnsResolver resolver;
	TimestampTz deadline;
	const char *problem;

	*address = NULL;
	if (is_address(host))
		return NULL;
	*address = known_address;
	if (strcmp(host, known_host) == 0 && curl_loop_now() < known_until)
		return NULL;
	if (strlen(host) >= sizeof(known_host))
		return "the name of the host is too long";
	known_until = 0;
	deadline = TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
										   Min(timeout_ms, RESOLVE_TIMEOUT_MS));
	problem = dns_resolve_host(&resolver, host, deadline, known_address);
	if (problem != NULL)
		return problem;
	strlcpy(known_host, host, sizeof(known_host));
	known_until = curl_loop_now() + ADDRESS_LIFETIME_MS;
	return NULL;
}

/* Look up the address anew for the next request. */
void
host_address_forget(void)
{
	known_until = 0;
}
