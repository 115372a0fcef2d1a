/*
 * fuzz_path.c
 *		The target of a request: routing, percent-decoding, numbers.
 *
 * A decoded path, encoded and decoded again, must be the same, and only paths
 * of the table get a handler.
 */
#include "request.h"

#include "common/utf8.h"
#include "http/uri.h"

static void
check_segment(const Segment *segment)
{
	char	   *encoded;
	Text		again;

	if (segment->raw == NULL)
		return;
	assert(segment->raw_length > 0 && memchr(segment->raw, '/', segment->raw_length) == NULL);
	assert(segment->text.bytes && segment->text.bytes[segment->text.length] == '\0');
	assert(strlen(segment->text.bytes) == segment->text.length);
	assert(utf8_is_valid(segment->text.bytes, segment->text.length));
	encoded = uri_encode(segment->text.bytes, segment->text.length);
	assert(encoded && uri_decode(encoded, strlen(encoded), false, &again));
	assert(again.length == segment->text.length && memcmp(again.bytes, segment->text.bytes, again.length) == 0);
	free(again.bytes);
	free(encoded);
}

int
LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	static const char *const methods[] = {"GET", "HEAD", "POST", "OPTIONS", "PUT", "BREW"};
	Request    *request;

	if (size == 0)
		return 0;
	request = request_new(methods[data[0] % 6], data + 1, size - 1);
	router_find(&api_service, request);
	assert((request->handler != NULL) != (request->status != 0));
	if (request->handler)
	{
		assert(request->target[0] == '/');
		for (int i = 0; i < PATH_SEGMENTS; i++)
			check_segment(&request->segments[i]);
		if (request->segments[1].raw)
			assert(path_chat(request) >= 0 && path_message(request) >= 0);
	}
	request_free(request);
	return 0;
}
