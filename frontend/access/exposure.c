/*
 * exposure.c
 *		Whether others can reach chatd.
 *
 * On loopback, who gets there is on this machine. Anywhere else, chatd starts only if
 * keys are required, or if it is said in words that everybody may do everything.
 */
#include <arpa/inet.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "access/exposure.h"
#include "common/settings.h"

static bool
is_loopback(const char *address)
{
	struct in_addr ip;
	struct in6_addr ip6;

	if (inet_pton(AF_INET, address, &ip) == 1)
		return ntohl(ip.s_addr) >> 24 == 127;
	return inet_pton(AF_INET6, address, &ip6) == 1 && IN6_IS_ADDR_LOOPBACK(&ip6);
}

void
exposure_check(void)
{
	if (settings.require_keys && settings.open)
	{
		fprintf(stderr, "chatd: --require-keys and --open contradict each other\n");
		exit(2);
	}
	if (settings.require_keys || settings.open || is_loopback(settings.listen))
		return;
	fprintf(stderr, "chatd: others can reach --listen %s, and could read and write everything there\n"
			"Add --require-keys, and make a key for yourself by SELECT chat.create_key('me', 'admin').\n"
			"Or, where nobody else can reach it or everybody may do everything, add --open.\n", settings.listen);
	exit(2);
}
