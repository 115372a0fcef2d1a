/*
 * exposure.c
 *		Protection against serving other machines by accident.
 *
 * Clients on loopback and on sockets of Unix are on this machine. On other
 * addresses, chatd starts only if keys are required, or if --open confirms that
 * everybody may do everything.
 */
#include <stdio.h>
#include <stdlib.h>

#include "access/exposure.h"
#include "common/settings.h"

static bool reached_by_others;

void
exposure_check(const Endpoint *endpoints, int count)
{
	char		name[ENDPOINT_NAME_SIZE];

	if (settings.require_keys && settings.open)
	{
		fprintf(stderr, "chatd: --require-keys and --open contradict each other\n");
		exit(2);
	}
	for (int i = 0; i < count; i++)
	{
		if (endpoint_is_local(&endpoints[i]))
			continue;
		reached_by_others = true;
		if (settings.require_keys || settings.open)
			continue;
		endpoint_name(&endpoints[i], name);
		fprintf(stderr, "chatd: others can reach %s, and could read and write everything there\n"
				"Add --require-keys, and make a key for yourself by SELECT chat.create_key('me', 'admin').\n"
				"Or, where nobody else can reach it or everybody may do everything, add --open.\n", name);
		exit(2);
	}
}

bool
exposure_invites(void)
{
	return settings.try_it || (!reached_by_others && !settings.require_keys);
}
