/*
 * routes.c
 *		The API as a service of the HTTP server: its table of routes.
 */
#include <string.h>

#include "access/exposure.h"
#include "access/gate.h"
#include "api/call.h"
#include "api/handlers.h"
#include "api/metrics.h"
#include "api/routes.h"
#include "common/settings.h"
#include "http/header_value.h"
#include "http/response.h"

static const char *const no_fields[] = {NULL};
static const char *const application_fields[] = {"name", NULL};
static const char *const chat_fields[] = {"number", NULL};
static const char *const message_fields[] = {"body", "number", "sender", "metadata", "key", "move_cursor", NULL};
static const char *const imported_fields[] = {
	"number", "body", "created_at", "sender", "metadata", "edited_at", "deleted_at", "revision", "key", NULL
};
static const char *const any_imported_fields[] = {
	"chat_number", "number", "body", "created_at", "sender", "metadata", "edited_at", "deleted_at", "revision", "key", NULL
};
static const char *const changed_fields[] = {"body", "metadata", NULL};
static const char *const any_message_fields[] = {"chat_number", "body", "number", "sender", "metadata", "key", "move_cursor", NULL};
static const char *const cursor_fields[] = {"number", "back", NULL};

static void index_show(Request *request);

static const Route routes[] = {
	{.pattern = "/", .get = index_show},
	{.pattern = "/applications", .get = applications_list, .post = application_create, .fields = application_fields},
	{.pattern = "/applications/{token}", .get = application_show},
	{.pattern = "/applications/{token}/tickets", .post = ticket_create, .fields = no_fields},
	{.pattern = "/applications/{token}/messages", .post = messages_create_any, .fields = any_message_fields,
	.takes_items = true},
	{.pattern = "/applications/{token}/messages/search", .get = messages_search_all},
	{.pattern = "/applications/{token}/export", .get = application_export},
	{.pattern = "/applications/{token}/import", .post = application_import, .fields = any_imported_fields, .takes_items = true},
	{.pattern = "/applications/{token}/stream", .get = application_stream, .events = true},
	{.pattern = "/applications/{token}/cursors/{reader}", .get = unread_list},
	{.pattern = "/applications/{token}/chats", .get = chats_list, .post = chat_create, .fields = chat_fields},
	{.pattern = "/applications/{token}/chats/{chat}", .get = chat_show, .delete = chat_delete},
	{.pattern = "/applications/{token}/chats/{chat}/cursors", .get = cursors_list},
	{.pattern = "/applications/{token}/chats/{chat}/cursors/{reader}", .get = cursor_show, .put = cursor_set,
	.fields = cursor_fields},
	{.pattern = "/applications/{token}/chats/{chat}/export", .get = chat_export},
	{.pattern = "/applications/{token}/chats/{chat}/import", .post = messages_import, .fields = imported_fields,
	.takes_items = true},
	{.pattern = "/applications/{token}/chats/{chat}/messages", .get = messages_list, .post = message_create,
	.fields = message_fields, .takes_items = true},
	{.pattern = "/applications/{token}/chats/{chat}/messages/search", .get = messages_search},
	{.pattern = "/applications/{token}/chats/{chat}/messages/changes", .get = changes_list},
	{.pattern = "/applications/{token}/chats/{chat}/messages/stream", .get = chat_stream, .events = true},
	{.pattern = "/applications/{token}/chats/{chat}/messages/{message}", .get = message_show,
	.patch = message_update, .delete = message_delete, .fields = changed_fields},
	{.pattern = "/healthz", .get = health_show},
	{.pattern = "/readyz", .get = readiness_show},
	{.pattern = "/console", .get = console_show},
	{.pattern = "/status", .get = status_show},
	{.pattern = "/openapi.json", .get = description_show},
	{.pattern = "/metrics", .get = metrics_show},
};

_Static_assert(sizeof(routes) / sizeof(routes[0]) < FIGURE_NO_ROUTE, "there are more routes than figures");

void
routes_name(const char *names[FIGURE_ROUTES])
{
	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++)
		names[i] = routes[i].pattern;
}

/* GET /: lists the paths; a browser gets the console. */
static void
index_show(Request *request)
{
	const char *invites;
	Json		json = {0};

	if (header_accepts(request->headers.accept, "text/html"))
	{
		console_show(request);
		response_header(request, MHD_HTTP_HEADER_VARY, MHD_HTTP_HEADER_ACCEPT);
		return;
	}
	json_open(&json, '{');
	json_member_text(&json, "name", "chatd", strlen("chatd"));
	json_member_text(&json, "version", CHATD_VERSION, strlen(CHATD_VERSION));
	invites = exposure_invites() ? "true" : "false";
	json_member_value(&json, "try_it", invites, strlen(invites));
	json_name(&json, "paths");
	json_open(&json, '[');
	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++)
		json_text(&json, routes[i].pattern, strlen(routes[i].pattern));
	json_close(&json, ']');
	json_close(&json, '}');
	respond_json(request, MHD_HTTP_OK, &json);
	response_header(request, MHD_HTTP_HEADER_VARY, MHD_HTTP_HEADER_ACCEPT);
}

static void
complete(Request *request)
{
	gate_complete(request);
	call_complete(request);
}

const Service api_service = {
	.routes = routes,
	.route_count = sizeof(routes) / sizeof(routes[0]),
	.request_size = sizeof(Call),
	.release = call_release,
	.admit = gate_admit,
	.run = gate_run,
	.complete = complete,
};
