/*
 * gate.c
 *		The gate: every request passes through it before its handler runs.
 *
 * A request that can be refused by its head is refused before its body
 * arrives, so that the body is not kept. The credential is looked up when the
 * request is complete.
 */
#include <stdio.h>
#include <stdlib.h>

#include "access/api_key.h"
#include "access/client_address.h"
#include "access/credential.h"
#include "access/exposure.h"
#include "access/gate.h"
#include "access/origin.h"
#include "access/rate_limit.h"
#include "access/refusal.h"
#include "common/log.h"
#include "common/settings.h"

/* Reads the settings. Returns what is wrong with them, or NULL. */
static const char *
read_settings(void)
{
	const char *problem = rights_read();

	if (problem == NULL)
		problem = origins_read();
	return problem ? problem : client_addresses_read();
}

void
gate_open(const Endpoint *endpoints, int count)
{
	const char *problem;

	exposure_check(endpoints, count);
	problem = read_settings();
	if (problem)
	{
		fprintf(stderr, "chatd: %s\n", problem);
		exit(2);
	}
}

void
gate_reload(void)
{
	if (settings_reload(read_settings))
		log_event("the settings were read again");
	else
		read_settings();
	facts_expire();
	rate_limits_reset();
}

void
gate_tick(void)
{
	api_keys_tick();
}

void
gate_admit(Request *request)
{
	Visit	   *visit = visit_of(request);
	const Right *right = right_of(request);

	visit->right = right;
	if (!rate_limit_admits_address(visit) || right->scope == SCOPE_NONE || !origin_admits(request))
		return;
	if (!credential_read(visit))
		refuse_malformed(request);
	else if (!credential_is_given(visit) && settings.require_keys && !right_trusts_token(right))
		refuse_missing(request);
}

/* The credential is valid: checks rights and limits, and runs the handler. */
static void
on_granted(Visit *visit)
{
	Request    *request = &visit->request;
	const char *reason;

	if (!right_allows(visit->right, visit->grant, visit_application(request), visit_chat(request), &reason))
		refuse_insufficient(request, visit->right->scope, reason);
	else if (rate_limit_admits_grant(visit))
		request->handler(request);
}

void
gate_run(Request *request)
{
	Visit	   *visit = visit_of(request);

	if (!rate_limit_admits_items(visit))
		return;
	if (credential_is_given(visit))
		credential_look_up(visit, on_granted);
	else
		request->handler(request);
}

void
gate_complete(Request *request)
{
	origin_complete(request);
	rate_limit_complete(visit_of(request));
}
