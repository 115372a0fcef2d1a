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
	bool		is_list[2];		/* what comes first is data[name][...] */
	bool		has_data;		/* a name of data's, as it is to be written */
	bool		misplaced;		/* a name in another letter case, or a field's without data */
} Expected;

/* Does a name begin with a text, in any letter case, and in that of the text? */
static bool
begins(Text name, const char *text, bool *exactly)
{
	size_t		length = strlen(text);

	if (name.length < length || strncasecmp(name.bytes, text, length) != 0)
		return false;
	*exactly = memcmp(name.bytes, text, length) == 0;
	return true;
}

static bool
take_pair(void *owner, Text name, Text value)
{
	static const char *const keys[] = {"data[body]", "data[number]"};
	Expected   *expected = owner;
	bool		exactly;

	if (begins(name, "data[", &exactly))
	{
		expected->has_data = expected->has_data || exactly;
		expected->misplaced = expected->misplaced || !exactly;
	}
	for (int i = 0; i < 2; i++)
	{
		if (name.length == strlen(names[i]) && begins(name, names[i], &exactly))
			expected->misplaced = true;
		if (!begins(name, keys[i], &exactly))
			continue;
		if (!exactly)
			expected->misplaced = true;
		else if (expected->counts[i]++ == 0)
		{
			expected->is_list[i] = name.length > strlen(keys[i]);
			if (!expected->is_list[i])
			{
				expected->values[i] = value;
				value.bytes = NULL;
			}
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

	/* One that is well-formed may be refused for its names: none of data's, or misplaced. */
	if (!uri_each_pair(text, length, take_pair, &expected))
		assert(request->status != 0);
	else if (request->status != 0)
		assert(request->status == MHD_HTTP_BAD_REQUEST && (!expected.has_data || expected.misplaced));
	else
		assert(!expected.misplaced);
	for (int i = 0; i < 2; i++)
	{
		const Field *field = &request->fields.list[i];

		if (request->status == 0)
		{
			assert(field->type == (expected.counts[i] == 0 ? FIELD_ABSENT : expected.is_list[i] ? FIELD_OTHER : FIELD_TEXT));
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
