/*
 * fuzz_json.c
 *		A JSON body, compared with what jansson makes of it; and texts of it as chatd writes them.
 *
 * The first byte says in which pieces the body arrives. With a NUL in it nothing is
 * compared: jansson takes one after a number for the end of its buffer.
 */
#include "request.h"

#include <jansson.h>
#include <math.h>

static const char *const names[] = {"body", "number", "name", NULL};

/* As chatd writes it, jansson reads the text that chatd has read. */
static void
check_written(const char *text, size_t length)
{
	Json		json = {0};
	char	   *written;
	json_t	   *value;

	json_text(&json, text, length);
	written = json_end(&json);
	value = json_loads(written, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	assert(json_string_length(value) == length && memcmp(json_string_value(value), text, length) == 0);
	json_decref(value);
	free(written);
}

static void
check_field(const Field *field, const json_t *value)
{
	switch (field->type)
	{
		case FIELD_ABSENT:
			assert(value == NULL);
			break;
		case FIELD_NULL:
			assert(json_is_null(value));
			break;
		case FIELD_TEXT:
			assert(json_is_string(value) && json_string_length(value) == field->length);
			assert(field->length == 0 || memcmp(json_string_value(value), field->text, field->length) == 0);
			check_written(field->length == 0 ? "" : field->text, field->length);
			break;
		case FIELD_NUMBER:
			assert(json_is_real(value) && json_real_value(value) == strtod(field->text, NULL));
			break;
		default:
			assert(json_is_array(value) || json_is_object(value) || json_is_boolean(value));
	}
}

/* A key in the wrong letter case, or a field beside data. */
static bool
has_misplaced_key(json_t *root, json_t *fields)
{
	const char *key;
	json_t	   *value;

	json_object_foreach(root, key, value)
	{
		if (strcasecmp(key, "data") == 0 && strcmp(key, "data") != 0)
			return true;
		for (int i = 0; names[i]; i++)
			if (strcasecmp(key, names[i]) == 0)
				return true;
	}
	json_object_foreach(fields, key, value)
		for (int i = 0; names[i]; i++)
			if (strcasecmp(key, names[i]) == 0 && strcmp(key, names[i]) != 0)
				return true;
	return false;
}

int
LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	const char *text = (const char *) data + 1;
	size_t		length = size - 1;
	Request    *request;
	json_t	   *root;
	json_t	   *fields;
	json_error_t error;

	if (size < 2)
		return 0;
	request = request_new("POST", data, 0);
	request->headers.content_type = "application/json";
	fields_begin(&request->fields, names, request->share);
	take_body(request, text, length, data[0]);

	root = json_loadb(text, length, JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL | JSON_DECODE_ANY, &error);
	fields = json_object_get(root, "data");
	if (request->status == 0)
	{
		/* jansson refuses numbers that are too large for it, though nobody wants them. */
		assert(root || json_error_code(&error) == json_error_numeric_overflow);
		assert(!has_misplaced_key(root, fields));
		for (int i = 0; root && i < request->fields.count; i++)
			check_field(&request->fields.list[i], json_object_get(fields, names[i]));
	}
	else if (memchr(text, '\0', length) == NULL && json_is_object(root) && (fields == NULL || json_is_null(fields) || json_is_object(fields)))
	{
		bool		refused = fields == NULL || has_misplaced_key(root, fields);

		/* Then data is missing, a key is misplaced, or a wanted one is there twice. */
		json_decref(root);
		root = json_loadb(text, length, JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL | JSON_REJECT_DUPLICATES, &error);
		assert(refused || (root == NULL && json_error_code(&error) == json_error_duplicate_key));
	}
	json_decref(root);
	body_text(request, "body", &length);
	body_number(request, "number");
	request_free(request);
	return 0;
}
