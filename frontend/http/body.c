/*
 * body.c
 *		The body of a request: its fields, sent as JSON or as a form.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "http/body.h"
#include "http/field_value.h"
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
		json_reader_begin(&reader->json, &request->fields, &request->items);
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
		case JSON_ITEM_NOT_AN_OBJECT:
			respond_error(request, MHD_HTTP_BAD_REQUEST, "Item %d of 'data' in the JSON body must be an object.",
						  request->items.count + 1);
			break;
		case JSON_TOO_MANY_ITEMS:
			respond_error(request, MHD_HTTP_CONTENT_TOO_LARGE, "'data' in the JSON body has more than %d items.", ITEMS_MAX);
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
	return fault_any(&request->faults);
}

void
respond_invalid_body(Request *request)
{
	json_close(&request->faults, '}');
	respond_json(request, MHD_HTTP_UNPROCESSABLE_CONTENT, &request->faults);
}

const char *
body_text(Request *request, const char *name, size_t *length)
{
	return field_text(&request->fields, &request->faults, name, length);
}

int
body_number(Request *request, const char *name)
{
	return field_number(&request->fields, &request->faults, name);
}

int
body_count(Request *request, const char *name)
{
	return field_count(&request->fields, &request->faults, name);
}

bool
body_flag(Request *request, const char *name)
{
	return field_flag(&request->fields, &request->faults, name);
}
