/*
 * body.c
 *		The fields of a request's body, sent as JSON or as a form.
 *
 * Both kinds become one JSON object. In JSON the fields stand in an object
 * under "data", in a form they are named data[field].
 */
#include <ctype.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "http/body.h"
#include "http/response.h"

#define FORM_PREFIX "data["

typedef enum MediaType
{
	MEDIA_UNKNOWN,
	MEDIA_JSON,
	MEDIA_FORM
} MediaType;

void
respond_invalid_body(Request *request)
{
	respond_json(request, MHD_HTTP_UNPROCESSABLE_CONTENT, json_incref(request->faults));
}

static void
add_fault(Request *request, const char *field, const char *predicate)
{
	if (request->faults == NULL)
		request->faults = json_object();
	json_object_set_new(request->faults, field, json_pack("[s]", predicate));
}

/* Do the parameters after the media type leave the charset at UTF-8? */
static bool
charset_is_utf8(const char *parameters)
{
	const char *charset = strcasestr(parameters, "charset=");

	if (charset == NULL)
		return true;
	charset += strlen("charset=");
	if (*charset == '"')
		charset++;
	if (strncasecmp(charset, "utf-8", 5) == 0)
		charset += 5;
	else if (strncasecmp(charset, "utf8", 4) == 0)
		charset += 4;
	else
		return false;
	return strchr("\"; \t", *charset) != NULL;
}

static MediaType
media_type(const char *content_type)
{
	size_t		length;

	if (content_type == NULL)
		return MEDIA_UNKNOWN;
	length = strcspn(content_type, "; \t");
	if (!charset_is_utf8(content_type + length))
		return MEDIA_UNKNOWN;
	if (length == strlen("application/json") &&
		strncasecmp(content_type, "application/json", length) == 0)
		return MEDIA_JSON;
	if (length == strlen("application/x-www-form-urlencoded") &&
		strncasecmp(content_type, "application/x-www-form-urlencoded", length) == 0)
		return MEDIA_FORM;
	return MEDIA_UNKNOWN;
}

/* Answers a body that jansson refused. */
static void
answer_bad_json(Request *request, const json_error_t *error)
{
	const char *near = strstr(error->text, " near ");

	if (json_error_code(error) == json_error_duplicate_key)
	{
		if (near == NULL || !utf8_is_valid(near, strlen(near)))
			near = "";
		respond_error(request, MHD_HTTP_BAD_REQUEST, "The JSON body has a key twice%s.", near);
	}
	else
		respond_error(request, MHD_HTTP_BAD_REQUEST, "The body is not valid JSON: line %d, column %d.",
					 error->line, error->column);
}

static bool
read_json(Request *request)
{
	json_error_t error;
	json_t	   *root;
	json_t	   *data;

	root = json_loadb(request->body, request->body_length,
					  JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL |
					  JSON_DECODE_ANY, &error);
	if (root == NULL)
	{
		answer_bad_json(request, &error);
		return false;
	}
	data = json_object_get(root, "data");
	if (!json_is_object(root))
		respond_error(request, MHD_HTTP_BAD_REQUEST, "The JSON body must be an object.");
	else if (data && !json_is_null(data) && !json_is_object(data))
		respond_error(request, MHD_HTTP_BAD_REQUEST, "'data' in the JSON body must be an object.");
	else if (json_is_object(data))
		request->fields = json_incref(data);
	else
		request->fields = json_object();
	json_decref(root);
	return request->fields != NULL;
}

/* Takes one pair of a form; all but data[field] are ignored. */
static bool
take_pair(void *owner, Text name, Text value)
{
	Request    *request = owner;
	size_t		prefix = strlen(FORM_PREFIX);
	char	   *field = name.bytes + prefix;

	if (name.length > prefix + 1 && strlen(name.bytes) == name.length &&
		strncmp(name.bytes, FORM_PREFIX, prefix) == 0 && name.bytes[name.length - 1] == ']')
	{
		name.bytes[name.length - 1] = '\0';
		if (json_object_get(request->fields, field))
			add_fault(request, field, "is given more than once");
		json_object_set_new(request->fields, field, json_stringn(value.bytes, value.length));
	}
	free(name.bytes);
	free(value.bytes);
	return true;
}

static bool
read_form(Request *request)
{
	request->fields = json_object();
	if (uri_each_pair(request->body, request->body_length, take_pair, request))
		return true;
	respond_error(request, MHD_HTTP_BAD_REQUEST, "The form is not correctly encoded UTF-8.");
	return false;
}

bool
body_read(Request *request)
{
	if (request->body_length == 0)
	{
		request->fields = json_object();
		return true;
	}
	switch (media_type(request->headers.content_type))
	{
		case MEDIA_JSON:
			return read_json(request);
		case MEDIA_FORM:
			return read_form(request);
		default:
			respond_error(request, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE,
						 "The body must be application/json or application/x-www-form-urlencoded, in UTF-8.");
			return false;
	}
}

/* Is there a fault in the field already? Then it is not looked at again. */
static bool
is_faulty(const Request *request, const char *name)
{
	return json_object_get(request->faults, name) != NULL;
}

/*
 * The length of the white space (as Unicode's property says) that the text
 * begins with, 0 if none.
 */
static size_t
space_length(const char *text)
{
	static const char *const spaces[] = {
		"\xc2\x85", "\u00a0", "\u1680", "\u2000", "\u2001", "\u2002", "\u2003", "\u2004", "\u2005",
		"\u2006", "\u2007", "\u2008", "\u2009", "\u200a", "\u2028", "\u2029", "\u202f", "\u205f",
		"\u3000",
	};

	if (*text && strchr(" \t\n\v\f\r", *text))
		return 1;
	for (size_t i = 0; i < sizeof(spaces) / sizeof(spaces[0]); i++)
		if (strncmp(text, spaces[i], strlen(spaces[i])) == 0)
			return strlen(spaces[i]);
	return 0;
}

static bool
is_blank(const char *text)
{
	size_t		length;

	while ((length = space_length(text)) > 0)
		text += length;
	return *text == '\0';
}

const char *
body_text(Request *request, const char *name, size_t *length)
{
	json_t	   *field = json_object_get(request->fields, name);
	const char *text = json_string_value(field);

	if (is_faulty(request, name))
		return NULL;
	if (field == NULL || json_is_null(field))
		add_fault(request, name, "can't be blank");
	else if (text == NULL)
		add_fault(request, name, "must be a string");
	else if (strlen(text) != json_string_length(field))
		add_fault(request, name, "can't contain a null byte");
	else if (is_blank(text))
		add_fault(request, name, "can't be blank");
	else
	{
		*length = json_string_length(field);
		return text;
	}
	return NULL;
}

/* The number that digits (and a sign) say; NAN if they are something else. */
static double
number_of_text(const char *text, size_t length)
{
	const char *digits = *text == '-' ? text + 1 : text;

	if (*digits == '\0' || strlen(text) != length || strspn(digits, "0123456789") != strlen(digits))
		return NAN;
	return strtod(text, NULL);
}

int
body_number(Request *request, const char *name)
{
	json_t	   *field = json_object_get(request->fields, name);
	double		number = NAN;

	if (field == NULL || json_is_null(field) || is_faulty(request, name))
		return 0;
	if (json_is_real(field))
		number = json_real_value(field);
	else if (json_is_string(field))
		number = number_of_text(json_string_value(field), json_string_length(field));

	if (isnan(number) || number != floor(number))
		add_fault(request, name, "is not a number");
	else if (number <= 0)
		add_fault(request, name, "must be greater than 0");
	else if (number > INT_MAX)
		add_fault(request, name, "is too large");
	else
		return (int) number;
	return 0;
}
