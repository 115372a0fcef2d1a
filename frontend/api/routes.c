/*
 * routes.c
 *		The API as a service of the HTTP server: its table of routes.
 */
#include <string.h>

#include "access/gate.h"
#include "api/call.h"
#include "api/handlers.h"
#include "api/metrics.h"
#include "api/routes.h"
#include "common/settings.h"
#include "http/response.h"

static const char *const no_fields[] = {NULL};
static const char *const application_fields[] = {"name", NULL};
static const char *const chat_fields[] = {"number", NULL};
static const char *const message_fields[] = {"body", "number", NULL};

static void index_show(Request *request);

static const Route routes[] = {
	{"/", index_show, NULL, NULL},
	{"/applications", applications_list, application_create, application_fields},
	{"/applications/{token}", application_show, NULL, NULL},
	{"/applications/{token}/tickets", NULL, ticket_create, no_fields},
	{"/applications/{token}/messages/search", messages_search_all, NULL, NULL},
	{"/applications/{token}/chats", chats_list, chat_create, chat_fields},
	{"/applications/{token}/chats/{chat}", chat_show, NULL, NULL},
	{"/applications/{token}/chats/{chat}/messages", messages_list, message_create, message_fields},
	{"/applications/{token}/chats/{chat}/messages/search", messages_search, NULL, NULL},
	{"/applications/{token}/chats/{chat}/messages/{message}", message_show, NULL, NULL},
	{"/healthz", health_show, NULL, NULL},
	{"/readyz", readiness_show, NULL, NULL},
	{"/openapi.json", description_show, NULL, NULL},
	{"/metrics", metrics_show, NULL, NULL},
};

_Static_assert(sizeof(routes) / sizeof(routes[0]) < FIGURE_NO_ROUTE, "there are more routes than figures");

void
routes_name(const char *names[FIGURE_ROUTES])
{
	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++)
		names[i] = routes[i].pattern;
}

/* GET /: lists the paths. */
static void
index_show(Request *request)
{
	Json		json = {0};

	json_open(&json, '{');
	json_member_text(&json, "name", "chatd", strlen("chatd"));
	json_member_text(&json, "version", CHATD_VERSION, strlen(CHATD_VERSION));
	json_name(&json, "paths");
	json_open(&json, '[');
	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++)
		json_text(&json, routes[i].pattern, strlen(routes[i].pattern));
	json_close(&json, ']');
	json_close(&json, '}');
	respond_json(request, MHD_HTTP_OK, &json);
}

const Service api_service = {
	.routes = routes,
	.route_count = sizeof(routes) / sizeof(routes[0]),
	.request_size = sizeof(Call),
	.release = call_release,
	.admit = gate_admit,
	.run = gate_run,
	.complete = gate_complete,
};
