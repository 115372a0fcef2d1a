/*
 * request.h
 *		A request of the API without a connection, for the fuzz targets.
 *
 * A target includes this file once. Responses are made, and never sent.
 */
#ifndef FUZZ_REQUEST_H
#define FUZZ_REQUEST_H

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "api/call.h"
#include "api/routes.h"
#include "http/body.h"
#include "http/response.h"

/* A request with a method and a target, as exchange.c begins it. */
static inline Request *
request_new(const char *method, const unsigned char *data, size_t size)
{
	Request    *request = calloc(1, api_service.request_size);

	assert(request);
	request->phase = PHASE_HANDLER;
	request->share = share_join(NULL);
	request->method = method;
	request->whole_target = strndup((const char *) data, size);
	request->target = request->whole_target;
	assert(request->target && request->share);
	request->path_length = strcspn(request->target, "?");
	request->query = request->target + request->path_length;
	if (*request->query)
		request->query++;
	return request;
}

/* Takes a body in pieces of so many bytes; 0: in one. */
static inline void
take_body(Request *request, const char *text, size_t length, size_t piece)
{
	for (size_t at = 0; at < length && request->status == 0;)
	{
		size_t		taken = piece == 0 || piece > length - at ? length - at : piece;

		body_take(request, text + at, taken);
		at += taken;
	}
	if (request->status == 0)
		body_end(request);
}

/* Ends a request as exchange.c does; nothing may be left of it. */
static inline void
request_free(Request *request)
{
	Share	   *share = request->share;

	api_service.release(request);
	response_free(request);
	body_reader_free(request);
	fields_free(&request->fields);
	json_free(&request->faults);
	for (int i = 0; i < PATH_SEGMENTS; i++)
		free(request->segments[i].text.bytes);
	free(request->whole_target);
	free(request);
	for (int i = 0; i < RESOURCE_COUNT; i++)
		assert(share->used[i] == 0);
	share_leave(share);
}

#endif
