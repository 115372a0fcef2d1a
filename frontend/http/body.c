/*
 * body.c
 *		The body of a request: its fields, sent as JSON or as a form.
 */
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "http/body.h"
#include "http/form_reader.h"
#include "http/json_reader.h"
#include "http/response.h"

typedef enum MediaType
{
	MEDIA_UNKNOWN,
	MEDIA_JSON,
	MEDIA_FORM
} MediaType;

struct BodyReader
{
	MediaType	type;
	union
	{
		JsonReader	json;
		FormReader	form;
	};
};

/* Do the parameters of the media type leave the charset at UTF-8? */
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

/* Begins to parse the body, by its media type. If that is impossible, responds and returns false. */
static bool
begin(Request *request)
{
	MediaType	type = media_type(request->headers.content_type);
	BodyReader *reader;

	if (request->headers.encoded)
	{
		respond_error(request, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE, "The body must not have a Content-Encoding.");
		response_header(request, MHD_HTTP_HEADER_ACCEPT_ENCODING, "identity");
		return false;
	}
	if (type == MEDIA_UNKNOWN)
	{
		respond_error(request, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE,
					  "The body must be application/json or application/x-www-form-urlencoded, in UTF-8.");
		return false;
	}
	reader = malloc(sizeof(BodyReader));
	if (reader == NULL)
	{
		respond_unavailable(request, "Out of memory.");
		return false;
	}
	reader->type = type;
	if (type == MEDIA_JSON)
		json_reader_begin(&reader->json, &request->fields);
	else
		form_reader_begin(&reader->form, &request->fields);
	request->reader = reader;
	return true;
}

static void
respond_json_error(Request *request, const JsonReader *reader)
{
	switch (reader->error)
	{
		case JSON_KEY_REPEATED:
			respond_error(request, MHD_HTTP_BAD_REQUEST, "The JSON body has the key '%s' twice.", reader->key);
			break;
		case JSON_KEY_MISSPELT:
			respond_error(request, MHD_HTTP_BAD_REQUEST, "The JSON body has the key '%s': its letter case is wrong.",
						  reader->key);
			break;
		case JSON_DATA_MISSING:
			respond_error(request, MHD_HTTP_BAD_REQUEST,
						  "The JSON body has no 'data': fields belong there, as in {\"data\": {\"name\": \"x\"}}.");
			break;
		case JSON_FIELD_OUTSIDE:
			respond_error(request, MHD_HTTP_BAD_REQUEST,
						  "The JSON body has the key '%s' outside of 'data': it belongs there, as in {\"data\": {\"%s\": ...}}.",
						  reader->outside->name, reader->outside->name);
			break;
		case JSON_NOT_AN_OBJECT:
			respond_error(request, MHD_HTTP_BAD_REQUEST, "The JSON body must be an object.");
			break;
		case JSON_DATA_NOT_AN_OBJECT:
			respond_error(request, MHD_HTTP_BAD_REQUEST, "'data' in the JSON body must be an object.");
			break;
		case JSON_TOO_LARGE:
			respond_unavailable(request, "The server is busy.");
			break;
		default:
			respond_error(request, MHD_HTTP_BAD_REQUEST, "The body is not valid JSON: line %d, column %d.",
						  reader->line, reader->column);
	}
}

static void
respond_form_error(Request *request, const FormReader *reader)
{
	switch (reader->error)
	{
		case FORM_NAME_MISSPELT:
			respond_error(request, MHD_HTTP_BAD_REQUEST, "The form has the name '%.*s': its letter case is wrong.",
						  (int) (reader->name_length > FORM_NAME_MAX ? FORM_NAME_MAX : reader->name_length), reader->name);
			break;
		case FORM_DATA_MISSING:
			respond_error(request, MHD_HTTP_BAD_REQUEST, "The form has no 'data': fields belong there, as in data[name]=x.");
			break;
		case FORM_FIELD_OUTSIDE:
			respond_error(request, MHD_HTTP_BAD_REQUEST, "The form has the name '%s' outside of 'data': it belongs there, as in data[%s]=x.",
						  reader->outside->name, reader->outside->name);
			break;
		case FORM_TOO_LARGE:
			respond_unavailable(request, "The server is busy.");
			break;
		default:
			respond_error(request, MHD_HTTP_BAD_REQUEST, "The form is not correctly encoded UTF-8.");
	}
}

static void
respond_body_error(Request *request)
{
	const BodyReader *reader = request->reader;

	if (reader->type == MEDIA_JSON)
		respond_json_error(request, &reader->json);
	else
		respond_form_error(request, &reader->form);
	body_reader_free(request);
}

void
body_take(Request *request, const char *bytes, size_t length)
{
	BodyReader *reader;

	if (request->reader == NULL && !begin(request))
		return;
	reader = request->reader;
	if (!(reader->type == MEDIA_JSON ? json_reader_feed(&reader->json, bytes, length)
		  : form_reader_feed(&reader->form, bytes, length)))
		respond_body_error(request);
}

void
body_end(Request *request)
{
	BodyReader *reader = request->reader;

	if (reader == NULL)
		return;
	if (reader->type == MEDIA_JSON ? json_reader_end(&reader->json) : form_reader_end(&reader->form))
		body_reader_free(request);
	else
		respond_body_error(request);
}

void
body_reader_free(Request *request)
{
	free(request->reader);
	request->reader = NULL;
}

bool
body_is_invalid(const Request *request)
{
	return request->faults.used > 0 || request->faults.failed;
}

void
respond_invalid_body(Request *request)
{
	json_close(&request->faults, '}');
	respond_json(request, MHD_HTTP_UNPROCESSABLE_CONTENT, &request->faults);
}

static void
add_fault(Request *request, const char *field, const char *predicate)
{
	if (!body_is_invalid(request))
		json_open(&request->faults, '{');
	json_name(&request->faults, field);
	json_open(&request->faults, '[');
	json_text(&request->faults, predicate, strlen(predicate));
	json_close(&request->faults, ']');
}

/* The wanted field with this name. If it is repeated, adds a fault and returns NULL. */
static const Field *
find_field(Request *request, const char *name)
{
	const Field *field = fields_find(&request->fields, name, strlen(name));

	if (!field->repeated)
		return field;
	add_fault(request, name, "is given more than once");
	return NULL;
}

static bool
is_missing(const Field *field)
{
	return field->type == FIELD_ABSENT || field->type == FIELD_NULL;
}

/* Does the character have Unicode's property White_Space? */
static bool
is_white_space(uint32_t character)
{
	return (character >= 0x09 && character <= 0x0d) || character == 0x20 || character == 0x85 ||
		character == 0xa0 || character == 0x1680 || (character >= 0x2000 && character <= 0x200a) ||
		character == 0x2028 || character == 0x2029 || character == 0x202f || character == 0x205f ||
		character == 0x3000;
}

static bool
is_blank(const char *text, size_t length)
{
	uint32_t	character;
	int			size;

	for (; length > 0; text += size, length -= size)
	{
		size = utf8_decode(text, length, &character);
		if (size == 0 || !is_white_space(character))
			return false;
	}
	return true;
}

const char *
body_text(Request *request, const char *name, size_t *length)
{
	const Field *field = find_field(request, name);

	if (field == NULL)
		return NULL;
	if (is_missing(field))
		add_fault(request, name, "can't be blank");
	else if (field->type != FIELD_TEXT)
		add_fault(request, name, "must be a string");
	else if (field->length > 0 && memchr(field->text, '\0', field->length))
		add_fault(request, name, "can't contain a null byte");
	else if (is_blank(field->text, field->length))
		add_fault(request, name, "can't be blank");
	else
	{
		*length = field->length;
		return field->text;
	}
	return NULL;
}

/* The number that a string of digits, with or without a sign, stands for; else NAN. */
static double
number_of_text(const char *text, size_t length)
{
	const char *digits = *text == '-' ? text + 1 : text;

	if (*digits == '\0' || strlen(text) != length || strspn(digits, "0123456789") != strlen(digits))
		return NAN;
	return strtod(text, NULL);
}

/* The number of a field that is there, from a minimum on; 0, and a fault is added, if it is invalid. */
static int
number_of(Request *request, const Field *field, int minimum)
{
	double		number = NAN;

	if (field->type == FIELD_NUMBER)
		number = strtod(field->text, NULL);
	else if (field->type == FIELD_TEXT && field->length > 0)
		number = number_of_text(field->text, field->length);

	if (isnan(number) || number != floor(number))
		add_fault(request, field->name, "is not a number");
	else if (number < minimum)
		add_fault(request, field->name, minimum == 0 ? "must not be less than 0" : "must be greater than 0");
	else if (number > INT_MAX)
		add_fault(request, field->name, "is too large");
	else
		return (int) number;
	return 0;
}

int
body_number(Request *request, const char *name)
{
	const Field *field = find_field(request, name);

	return field == NULL || is_missing(field) ? 0 : number_of(request, field, 1);
}

int
body_count(Request *request, const char *name)
{
	const Field *field = find_field(request, name);

	if (field == NULL)
		return 0;
	if (!is_missing(field))
		return number_of(request, field, 0);
	add_fault(request, name, "can't be blank");
	return 0;
}

/* Is the field this word, as a form has it? */
static bool
is_word(const Field *field, const char *word)
{
	return field->type == FIELD_TEXT && field->length == strlen(word) && memcmp(field->text, word, field->length) == 0;
}

bool
body_flag(Request *request, const char *name)
{
	const Field *field = find_field(request, name);

	if (field == NULL || is_missing(field) || field->type == FIELD_FALSE || is_word(field, "false"))
		return false;
	if (field->type == FIELD_TRUE || is_word(field, "true"))
		return true;
	add_fault(request, name, "must be true or false");
	return false;
}
