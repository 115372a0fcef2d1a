/*
 * routes.c
 *		The API as a service of the HTTP server: its table of routes.
 */
#include "api/call.h"
#include "api/handlers.h"
#include "api/routes.h"

static const Route routes[] = {
	{"/applications", applications_list, application_create},
	{"/applications/{token}", application_show, NULL},
	{"/applications/{token}/messages/search", messages_search_all, NULL},
	{"/applications/{token}/chats", chats_list, chat_create},
	{"/applications/{token}/chats/{chat}", chat_show, NULL},
	{"/applications/{token}/chats/{chat}/messages", messages_list, message_create},
	{"/applications/{token}/chats/{chat}/messages/search", messages_search, NULL},
	{"/applications/{token}/chats/{chat}/messages/{message}", message_show, NULL},
	{"/healthz", health_show, NULL},
	{"/readyz", readiness_show, NULL},
};

const Service api_service = {
	.routes = routes,
	.route_count = sizeof(routes) / sizeof(routes[0]),
	.request_size = sizeof(Call),
	.release = call_release,
};
