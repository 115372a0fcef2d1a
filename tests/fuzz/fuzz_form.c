/*
 * fuzz_form.c
 *		A form, compared with what uri_each_pair() makes of it.
 *
 * The first byte says in which pieces the form arrives.
 */
#include "request.h"

#include "http/uri.h"

static const char *const names[] = {"body", "number", NULL};

typedef struct Expected
{
	Text		values[2];
	int			counts[2];
	bool		has_data;		/* a name of data's, as it is to be written */
	bool		misspelt;		/* a name in another letter case */
} Expected;

static bool
take_pair(void *owner, Text name, Text value)
{
	static const char *const keys[] = {"data[body]", "data[number]"};
	Expected   *expected = owner;
	bool		similar = name.length >= 5 && strncasecmp(name.bytes, "data[", 5) == 0;

	if (similar && memcmp(name.bytes, "data[", 5) == 0)
		expected->has_data = true;
	else if (similar)
		expected->misspelt = true;
	for (int i = 0; i < 2; i++)
	{
		if (name.length != strlen(keys[i]) || strncasecmp(name.bytes, keys[i], name.length) != 0)
			continue;
		if (memcmp(name.bytes, keys[i], name.length) != 0)
		{
			expected->misspelt = true;
			continue;
		}
		if (expected->counts[i]++ == 0)
		{
			expected->values[i] = value;
			value.bytes = NULL;
		}
	}
	free(name.bytes);
	free(value.bytes);
	return true;
}

int
LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	const char *text = (const char *) data + 1;
	size_t		length = size - 1;
	Expected	expected = {0};
	Request    *request;

	if (size < 2)
		return 0;
	request = request_new("POST", data, 0);
	request->headers.content_type = "application/x-www-form-urlencoded";
	fields_begin(&request->fields, names, request->share);
	take_body(request, text, length, data[0]);

	/* One that is well-formed may be refused for its names: none of data's, or in the wrong letter case. */
	if (!uri_each_pair(text, length, take_pair, &expected))
		assert(request->status != 0);
	else if (request->status != 0)
		assert(request->status == MHD_HTTP_BAD_REQUEST && (!expected.has_data || expected.misspelt));
	for (int i = 0; i < 2; i++)
	{
		const Field *field = &request->fields.list[i];

		if (request->status == 0)
		{
			assert((field->type == FIELD_TEXT) == (expected.counts[i] > 0));
			assert(field->repeated == (expected.counts[i] > 1));
			assert(field->length == expected.values[i].length);
			assert(field->length == 0 || memcmp(field->text, expected.values[i].bytes, field->length) == 0);
		}
		free(expected.values[i].bytes);
	}
	body_text(request, "body", &length);
	body_number(request, "number");
	request_free(request);
	return 0;
}
