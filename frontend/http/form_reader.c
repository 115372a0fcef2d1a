/*
 * form_reader.c
 *		Reads a form as it arrives, and keeps only the wanted fields.
 */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "http/form_reader.h"

#define PREFIX "data["

void
form_reader_begin(FormReader *reader, Fields *fields)
{
	*reader = (FormReader) {.fields = fields};
}

static bool
fail(FormReader *reader, FormError error)
{
	reader->error = error;
	return false;
}

/* Takes a decoded byte of a name or a value. */
static bool
take_decoded(FormReader *reader, char byte)
{
	if (!utf8_accept(&reader->utf8, (unsigned char) byte))
		return fail(reader, FORM_MALFORMED);
	if (reader->in_value)
	{
		if (reader->field && !field_append(reader->fields, reader->field, &byte, 1))
			return fail(reader, FORM_TOO_LARGE);
	}
	else if (reader->name_length < FORM_NAME_MAX)
		reader->name[reader->name_length++] = byte;
	else
		reader->name_length = FORM_NAME_MAX + 1;
	return true;
}

/* Ends a name or a value. Returns false if its encoding is incomplete. */
static bool
end_text(FormReader *reader)
{
	return (reader->escape_digits == 0 && reader->utf8.remaining == 0) || fail(reader, FORM_MALFORMED);
}

/*
 * Begins the value of data[field], or of data[field][...], which no field can be. rest is the
 * name after the field.
 */
static void
begin_field(FormReader *reader, Field *field, const char *rest, const char *end)
{
	if (field->type != FIELD_ABSENT)
		field->repeated = true;
	else if (rest < end)
		field->type = FIELD_OTHER;
	else
	{
		field->type = FIELD_TEXT;
		reader->field = field;
	}
}

static bool
end_name(FormReader *reader)
{
	size_t		prefix = strlen(PREFIX);
	bool		too_long = reader->name_length > FORM_NAME_MAX;
	const char *end = reader->name + (too_long ? FORM_NAME_MAX : reader->name_length);
	const char *name = reader->name + prefix;
	const char *bracket = NULL;

	reader->in_value = true;
	reader->field = NULL;
	reader->names_given = reader->names_given || end > reader->name;
	if (end >= name && strncasecmp(reader->name, PREFIX, prefix) == 0)
	{
		if (memcmp(reader->name, PREFIX, prefix) != 0)
			return fail(reader, FORM_NAME_MISSPELT);
		reader->data_given = true;
		bracket = memchr(name, ']', end - name);
	}
	else if (reader->outside == NULL)
		reader->outside = fields_find_similar(reader->fields, reader->name, end - reader->name);
	if (bracket)
	{
		Field	   *field = fields_find(reader->fields, name, bracket - name);

		if (field)
			begin_field(reader, field, bracket + 1, end);
		else if (fields_find_similar(reader->fields, name, bracket - name))
			return fail(reader, FORM_NAME_MISSPELT);
		else
			fields_note_unknown(reader->fields, name, bracket - name);
	}
	return end_text(reader);
}

static bool
end_pair(FormReader *reader)
{
	/* A name without an equals sign has an empty value. */
	if (!reader->in_value && !end_name(reader))
		return false;
	reader->in_value = false;
	reader->name_length = 0;
	return end_text(reader);
}

static bool
take_byte(FormReader *reader, char byte)
{
	if (reader->escape_digits > 0)
	{
		if (!isxdigit((unsigned char) byte))
			return fail(reader, FORM_MALFORMED);
		reader->escape = reader->escape * 16 +
			(isdigit((unsigned char) byte) ? byte - '0' : (byte | 0x20) - 'a' + 10);
		return --reader->escape_digits > 0 || take_decoded(reader, (char) reader->escape);
	}
	switch (byte)
	{
		case '%':
			reader->escape = 0;
			reader->escape_digits = 2;
			return true;
		case '&':
			return end_pair(reader);
		case '=':
			if (!reader->in_value)
				return end_name(reader);
			return take_decoded(reader, byte);
		default:
			return take_decoded(reader, byte == '+' ? ' ' : byte);
	}
}

/* The number of characters at the start of a piece that stand for themselves. */
static size_t
plain_length(const char *bytes, size_t length)
{
	size_t		i = 0;

	while (i < length && (isalnum((unsigned char) bytes[i]) || bytes[i] == ' '))
		i++;
	return i;
}

bool
form_reader_feed(FormReader *reader, const char *bytes, size_t length)
{
	for (size_t i = 0; i < length;)
	{
		size_t		plain = 0;

		if (reader->in_value && reader->escape_digits == 0 && reader->utf8.remaining == 0)
			plain = plain_length(bytes + i, length - i);
		if (plain > 0)
		{
			if (reader->field && !field_append(reader->fields, reader->field, bytes + i, plain))
				return fail(reader, FORM_TOO_LARGE);
			i += plain;
		}
		else if (!take_byte(reader, bytes[i++]))
			return false;
	}
	return true;
}

bool
form_reader_end(FormReader *reader)
{
	if (!end_pair(reader))
		return false;
	if (reader->names_given && !reader->data_given)
		return fail(reader, FORM_DATA_MISSING);
	return reader->outside == NULL || fail(reader, FORM_FIELD_OUTSIDE);
}
