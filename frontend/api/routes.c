/*
 * routes.c
 *		The API as a service of the HTTP server: its table of routes.
 */
#include "api/call.h"
#include "api/handlers.h"
#include "api/routes.h"

static const char *const application_fields[] = {"name", NULL};
static const char *const chat_fields[] = {"number", NULL};
static const char *const message_fields[] = {"body", "number", NULL};

static const Route routes[] = {
	{"/applications", applications_list, application_create, application_fields},
	{"/applications/{token}", application_show, NULL, NULL},
	{"/applications/{token}/messages/search", messages_search_all, NULL, NULL},
	{"/applications/{token}/chats", chats_list, chat_create, chat_fields},
	{"/applications/{token}/chats/{chat}", chat_show, NULL, NULL},
	{"/applications/{token}/chats/{chat}/messages", messages_list, message_create, message_fields},
	{"/applications/{token}/chats/{chat}/messages/search", messages_search, NULL, NULL},
	{"/applications/{token}/chats/{chat}/messages/{message}", message_show, NULL, NULL},
	{"/healthz", health_show, NULL, NULL},
	{"/readyz", readiness_show, NULL, NULL},
};

const Service api_service = {
	.routes = routes,
	.route_count = sizeof(routes) / sizeof(routes[0]),
	.request_size = sizeof(Call),
	.release = call_release,
};
