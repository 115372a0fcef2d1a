/*
 * dns_resolve.c
 *	  The address of a host, found without blocking.
 *
 * The C library asks the name servers in a thread of its own, which cannot be
 * ended before they answer or its timeout expires. So a request may outlive
 * its caller's deadline. Its answer is then used for the next caller, so that
 * name servers may be slower than any caller waits. Each user has a resolver
 * of its own, so that users do not delay each other.
 */
#include "postgres.h"

#include <sys/socket.h>

#include "utils/timestamp.h"

#include "common/dns_resolve.h"
#include "common/latch_wait.h"

/* The time between two checks for the answer. */
#define LOOK_AGAIN_MS 10

/* Wait for the answer. Returns false at the deadline. */
static bool
wait_for_answer(DnsResolver *resolver, TimestampTz deadline)
{
	while (gai_error(&resolver->request) == EAI_INPROGRESS)
	{
		if (GetCurrentTimestamp() >= deadline)
			return false;
		latch_wait("ChatResolve", 0, PGINVALID_SOCKET, LOOK_AGAIN_MS);
	}
	return true;
}

/* Free the request, which has been answered. */
static void
forget_request(DnsResolver *resolver)
{
	if (resolver->request.ar_result != NULL)
		freeaddrinfo(resolver->request.ar_result);
	free(resolver->name);
	resolver->name = NULL;
}

/*
 * Find the numeric address of a host, IPv4 if it has one, and write it to
 * address. Returns NULL, or why it was not found before the deadline.
 */
const char *
dns_resolve_host(DnsResolver *resolver, const char *host, TimestampTz deadline, char address[NI_MAXHOST])
{
	static const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
	static const char too_late[] = "its address was not found in time";
	struct addrinfo *chosen;
	int			error;

	if (resolver->name != NULL && !wait_for_answer(resolver, deadline))
		return too_late;
	if (resolver->name != NULL && strcmp(resolver->name, host) != 0)
		forget_request(resolver);
	if (resolver->name == NULL)
	{
		resolver->name = strdup(host);
		resolver->request = (struct gaicb) {.ar_name = resolver->name, .ar_request = &hints};
		error = resolver->name == NULL ? EAI_MEMORY :
			getaddrinfo_a(GAI_NOWAIT, (struct gaicb *[]) {&resolver->request}, 1, NULL);
		if (error != 0)
		{
			forget_request(resolver);
			return gai_strerror(error);
		}
		if (!wait_for_answer(resolver, deadline))
			return too_late;
	}

	error = gai_error(&resolver->request);
	if (error == 0)
	{
		chosen = resolver->request.ar_result;
		while (chosen != NULL && chosen->ai_family != AF_INET)
			chosen = chosen->ai_next;
		if (chosen == NULL)
			chosen = resolver->request.ar_result;
		error = getnameinfo(chosen->ai_addr, chosen->ai_addrlen, address, NI_MAXHOST, NULL, 0,
							NI_NUMERICHOST);
	}
	forget_request(resolver);
	return error == 0 ? NULL : gai_strerror(error);
}
