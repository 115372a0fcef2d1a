/*
 * routes.c
 *		The API as a service of the HTTP server: its table of routes.
 */
#include <string.h>

#include "access/gate.h"
#include "api/call.h"
#include "api/handlers.h"
#include "api/routes.h"
#include "common/settings.h"
#include "http/response.h"

static const char *const no_fields[] = {NULL};
static const char *const application_fields[] = {"name", NULL};
static const char *const chat_fields[] = {"number", NULL};
static const char *const message_fields[] = {"body", "number", NULL};
static const char *const cursor_fields[] = {"number", "back", NULL};

static void index_show(Request *request);

static const Route routes[] = {
	{"/", .get = index_show},
	{"/applications", .get = applications_list, .post = application_create, .fields = application_fields},
	{"/applications/{token}", .get = application_show},
	{"/applications/{token}/tickets", .post = ticket_create, .fields = no_fields},
	{"/applications/{token}/messages/search", .get = messages_search_all},
	{"/applications/{token}/stream", .get = application_stream, .events = true},
	{"/applications/{token}/cursors/{reader}", .get = unread_list},
	{"/applications/{token}/chats", .get = chats_list, .post = chat_create, .fields = chat_fields},
	{"/applications/{token}/chats/{chat}", .get = chat_show},
	{"/applications/{token}/chats/{chat}/cursors", .get = cursors_list},
	{"/applications/{token}/chats/{chat}/cursors/{reader}", .get = cursor_show, .put = cursor_set, .fields = cursor_fields},
	{"/applications/{token}/chats/{chat}/messages", .get = messages_list, .post = message_create, .fields = message_fields},
	{"/applications/{token}/chats/{chat}/messages/search", .get = messages_search},
	{"/applications/{token}/chats/{chat}/messages/changes", .get = changes_list},
	{"/applications/{token}/chats/{chat}/messages/stream", .get = chat_stream, .events = true},
	{"/applications/{token}/chats/{chat}/messages/{message}", .get = message_show},
	{"/healthz", .get = health_show},
	{"/readyz", .get = readiness_show},
};

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
