/*
 * health.c
 *		Handlers that say whether chatd is alive, and whether it can serve.
 */
#include <string.h>

#include "api/handlers.h"
#include "db/availability.h"
#include "db/sessions.h"
#include "http/response.h"

static void
respond_status(Request *request, const char *status)
{
	Json		json = {0};

	json_open(&json, '{');
	json_member_text(&json, "status", status, strlen(status));
	json_close(&json, '}');
	respond_json(request, MHD_HTTP_OK, &json);
}

void
health_show(Request *request)
{
	respond_status(request, "ok");
}

void
readiness_show(Request *request)
{
	bool		ready = database_tried();

	/* All but the pool of exports, which is empty until there are some. */
	for (Pool pool = 0; pool < POOL_EXPORT; pool++)
		ready = ready && database_ready(pool);
	if (!ready)
	{
		respond_unavailable(request, database_reason());
		return;
	}
	respond_status(request, "ready");
}
