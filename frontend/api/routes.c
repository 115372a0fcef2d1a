/*
 * routes.c
 *		The API as a service of the HTTP server: its table of routes.
 */
#include "api/call.h"
#include "api/handlers.h"
#include "api/routes.h"
#include "common/settings.h"
#include "http/response.h"

static const char *const application_fields[] = {"name", NULL};
static const char *const chat_fields[] = {"number", NULL};
static const char *const message_fields[] = {"body", "number", NULL};

static void index_show(Request *request);

static const Route routes[] = {
	{"/", index_show, NULL, NULL, NULL},
	{"/applications", applications_list, application_create, NULL, application_fields},
	{"/applications/{token}", application_show, NULL, NULL, NULL},
	{"/applications/{token}/messages/search", messages_search_all, NULL, NULL, NULL},
	{"/applications/{token}/chats", chats_list, chat_create, NULL, chat_fields},
	{"/applications/{token}/chats/{chat}", chat_show, NULL, chat_delete, NULL},
	{"/applications/{token}/chats/{chat}/messages", messages_list, message_create, NULL, message_fields},
	{"/applications/{token}/chats/{chat}/messages/search", messages_search, NULL, NULL, NULL},
	{"/applications/{token}/chats/{chat}/messages/{message}", message_show, NULL, NULL, NULL},
	{"/healthz", health_show, NULL, NULL, NULL},
	{"/readyz", readiness_show, NULL, NULL, NULL},
};

/* What is here. */
static void
index_show(Request *request)
{
	json_t	   *paths = json_array();

	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++)
		json_array_append_new(paths, json_string(routes[i].pattern));
	respond_json(request, MHD_HTTP_OK, json_pack("{s:s,s:s,s:o}", "name", "chatd", "version", CHATD_VERSION, "paths", paths));
}

const Service api_service = {
	.routes = routes,
	.route_count = sizeof(routes) / sizeof(routes[0]),
	.request_size = sizeof(Call),
	.release = call_release,
};
