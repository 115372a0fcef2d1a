/*
 * documents.c
 *		Handlers of what is the same for everybody: the description of the API.
 *
 * The description, openapi.json beside this file, says VERSION where chatd puts its own. It has a
 * part for each route of routes.c; a test compares both.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/handlers.h"
#include "common/settings.h"
#include "http/response.h"
#include "pages/asset.h"

#define PLACE "\"VERSION\""

void
description_show(Request *request)
{
	const char *place = strstr(asset_openapi, PLACE);
	char	   *body;

	if (asprintf(&body, "%.*s\"" CHATD_VERSION "\"%s", (int) (place - asset_openapi), asset_openapi, place + strlen(PLACE)) < 0)
		body = NULL;
	respond_ok(request, body, NULL);
}
