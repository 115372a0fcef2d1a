/*
 * health.c
 *		Is chatd alive, and can it serve?
 */
#include "api/handlers.h"
#include "http/response.h"

void
health_show(Request *request)
{
	answer_json(request, MHD_HTTP_OK, json_pack("{s:s}", "status", "ok"));
}

void
readiness_show(Request *request)
{
	for (Lane lane = 0; lane < LANE_COUNT; lane++)
	{
		if (!database_ready(lane))
		{
			answer_unavailable(request, database_reason());
			return;
		}
	}
	answer_json(request, MHD_HTTP_OK, json_pack("{s:s}", "status", "ready"));
}
