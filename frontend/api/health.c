/*
 * health.c
 *		Handlers that say whether chatd is alive, and whether it can serve.
 */
#include <string.h>

#include "api/handlers.h"
#include "common/settings.h"
#include "db/availability.h"
#include "db/sessions.h"
#include "http/response.h"

/* standby: what becomes of them, or NULL. */
static void
respond_status(Request *request, const char *status, const char *standby)
{
	Json		json = {0};

	json_open(&json, '{');
	json_member_text(&json, "status", status, strlen(status));
	if (standby)
		json_member_text(&json, "standby", standby, strlen(standby));
	json_close(&json, '}');
	respond_json(request, MHD_HTTP_OK, &json);
}

void
health_show(Request *request)
{
	respond_status(request, "ok", NULL);
}

void
readiness_show(Request *request)
{
	bool		ready = database_tried();
	const char *standby = NULL;

	/*
	 * All but those that it can do without, and that of exports, which is empty until there are
	 * some.
	 */
	for (Pool pool = 0; !POOL_IS_STANDBY(pool); pool++)
		ready = ready && database_ready(pool);
	if (!ready)
	{
		respond_unavailable(request, database_reason(false));
		return;
	}
	/* It can serve without standbys. */
	if (settings.database_read)
		standby = POOL_IS_STANDBY(pool_for(GET_CHAT, POOL_READ)) ? "ready" : database_reason(true);
	respond_status(request, "ready", standby);
}
