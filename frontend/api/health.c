/*
 * health.c
 *		Handlers that say whether chatd is alive, and whether it can serve.
 */
#include "api/handlers.h"
#include "db/availability.h"
#include "db/sessions.h"
#include "http/response.h"

void
health_show(Request *request)
{
	respond_json(request, MHD_HTTP_OK, json_pack("{s:s}", "status", "ok"));
}

void
readiness_show(Request *request)
{
	bool		ready = database_tried();

	for (Pool pool = 0; pool < POOL_COUNT; pool++)
		ready = ready && database_ready(pool);
	if (!ready)
	{
		respond_unavailable(request, database_reason());
		return;
	}
	respond_json(request, MHD_HTTP_OK, json_pack("{s:s}", "status", "ready"));
}
