/*
 * json_reader.c
 *		Reads a JSON body as it arrives, and keeps only the wanted fields.
 *
 * The reader is a state machine that is fed bytes: json_string.c and json_number.c do
 * strings and numbers. Of each array or object around a value it remembers a single
 * bit: is it an object?
 */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "http/json_reader.h"

#define BYTE_ORDER_MARK "\xEF\xBB\xBF"

void
json_reader_begin(JsonReader *reader, Fields *fields, Items *items)
{
	*reader = (JsonReader) {.fields = fields, .current = fields, .items = items, .line = 1};
}

static bool
fail(JsonReader *reader, JsonError error)
{
	reader->error = error;
	return false;
}

/* Is the innermost array or object an object? */
static bool
in_object(const JsonReader *reader)
{
	int			level = reader->depth - 1;

	return level >= 0 && (reader->is_object[level / 8] >> (level % 8) & 1);
}

/* Begins the value of "data". */
static void
begin_data(JsonReader *reader, FieldType type, bool is_array)
{
	reader->next_is_data = false;
	reader->in_list = is_array && reader->items->names;
	reader->items->given = reader->in_list;
	reader->data_is_invalid = type != FIELD_OBJECT && type != FIELD_NULL && !reader->in_list;
	reader->fields_depth = type == FIELD_OBJECT ? 2 : 0;
}

/* Begins an item of the data. */
static bool
begin_item(JsonReader *reader, FieldType type)
{
	if (type != FIELD_OBJECT)
		return fail(reader, JSON_ITEM_NOT_AN_OBJECT);
	if (reader->items->count == ITEMS_MAX)
		return fail(reader, JSON_TOO_MANY_ITEMS);
	reader->current = items_add(reader->items);
	reader->fields_depth = 3;
	return reader->current || fail(reader, JSON_TOO_LARGE);
}

/* Begins a value of some type, and finds out whether it is wanted. */
static bool
begin_value(JsonReader *reader, FieldType type, bool is_array)
{
	if (reader->depth == 0)
		reader->root_is_object = type == FIELD_OBJECT;
	if (reader->next_is_data)
		begin_data(reader, type, is_array);
	else if (reader->in_list && reader->depth == 2 && !begin_item(reader, type))
		return false;
	if (reader->field)
	{
		reader->field->type = type;
		reader->copied = type == FIELD_OBJECT ? reader->field : NULL;
		reader->copied_depth = reader->depth;
		if (type != FIELD_TEXT && type != FIELD_NUMBER)
			reader->field = NULL;
	}
	return true;
}

static bool
open_nested(JsonReader *reader, bool is_object)
{
	int			level = reader->depth;

	if (!begin_value(reader, is_object ? FIELD_OBJECT : FIELD_OTHER, !is_object))
		return false;
	if (level == JSON_MAX_DEPTH)
		return fail(reader, JSON_MALFORMED);
	if (is_object)
		reader->is_object[level / 8] |= (unsigned char) (1 << level % 8);
	else
		reader->is_object[level / 8] &= (unsigned char) ~(1 << level % 8);
	reader->depth++;
	reader->state = is_object ? JSON_BEFORE_FIRST_KEY : JSON_BEFORE_FIRST_ELEMENT;
	return true;
}

static bool
close_nested(JsonReader *reader, char bracket)
{
	if (reader->depth == 0 || in_object(reader) != (bracket == '}'))
		return fail(reader, JSON_MALFORMED);
	reader->depth--;
	if (reader->depth < reader->fields_depth)
		reader->fields_depth = 0;
	if (reader->depth == 1)
		reader->in_list = false;
	if (reader->copied && reader->depth == reader->copied_depth)
		reader->copied = NULL;
	reader->state = JSON_AFTER_VALUE;
	return true;
}

static bool
begin_string(JsonReader *reader, bool is_key)
{
	reader->is_key = is_key;
	reader->key_length = 0;
	reader->string = (JsonString) {0};
	reader->state = JSON_IN_STRING;
	return is_key || begin_value(reader, FIELD_TEXT, false);
}

static bool
begin_literal(JsonReader *reader, const char *literal, FieldType type)
{
	reader->literal = literal + 1;
	reader->state = JSON_IN_LITERAL;
	return begin_value(reader, type, false);
}

/* Appends decoded bytes of a string, or characters of a number, where they are wanted. */
static bool
append(JsonReader *reader, const char *bytes, size_t length)
{
	if (reader->is_key)
	{
		if (memchr(bytes, '\0', length))
			return fail(reader, JSON_MALFORMED);
		size_t		room = FIELD_NAME_MAX - reader->key_length;

		if (reader->key_length > FIELD_NAME_MAX)
			return true;
		memcpy(reader->key + reader->key_length, bytes, length < room ? length : room);
		reader->key_length = length <= room ? reader->key_length + length : FIELD_NAME_MAX + 1;
	}
	else if (reader->field && !field_append(reader->current, reader->field, bytes, length))
		return fail(reader, JSON_TOO_LARGE);
	return true;
}

static bool
begin_number(JsonReader *reader, char byte)
{
	reader->is_key = false;
	reader->number = json_number_begin(byte);
	reader->state = JSON_IN_NUMBER;
	return begin_value(reader, FIELD_NUMBER, false) && append(reader, &byte, 1);
}

/* Begins the value that has this first character. */
static bool
value_start(JsonReader *reader, char byte)
{
	switch (byte)
	{
		case '{':
		case '[':
			return open_nested(reader, byte == '{');
		case '"':
			return begin_string(reader, false);
		case 't':
			return begin_literal(reader, "true", FIELD_TRUE);
		case 'f':
			return begin_literal(reader, "false", FIELD_FALSE);
		case 'n':
			return begin_literal(reader, "null", FIELD_NULL);
		default:
			if (byte != '-' && !isdigit((unsigned char) byte))
				return fail(reader, JSON_MALFORMED);
			return begin_number(reader, byte);
	}
}

/* Ends a key, and finds out whether the value that follows is wanted. */
static bool
end_key(JsonReader *reader)
{
	bool		too_long = reader->key_length > FIELD_NAME_MAX;

	reader->state = JSON_AFTER_KEY;
	reader->field = NULL;
	reader->key[too_long ? FIELD_NAME_MAX : reader->key_length] = '\0';
	if (reader->depth == 1)
		reader->root_has_members = true;
	if (too_long)
	{
		if (reader->depth == reader->fields_depth)
			fields_note_unknown(reader->current, reader->key, FIELD_NAME_MAX);
		return true;
	}
	if (reader->depth == 1 && strcasecmp(reader->key, "data") == 0 && strcmp(reader->key, "data") != 0)
		return fail(reader, JSON_KEY_MISSPELT);
	if (reader->depth == 1 && strcmp(reader->key, "data") == 0)
	{
		if (reader->data_given)
			return fail(reader, JSON_KEY_REPEATED);
		reader->data_given = reader->next_is_data = true;
	}
	else if (reader->depth == 1 && reader->outside == NULL)
		reader->outside = fields_find_similar(reader->fields, reader->key, reader->key_length);
	if (reader->depth == reader->fields_depth)
	{
		reader->field = fields_find(reader->current, reader->key, reader->key_length);
		if (reader->field && reader->field->type != FIELD_ABSENT)
			return fail(reader, JSON_KEY_REPEATED);
		if (reader->field == NULL && fields_find_similar(reader->current, reader->key, reader->key_length))
			return fail(reader, JSON_KEY_MISSPELT);
		if (reader->field == NULL)
			fields_note_unknown(reader->current, reader->key, reader->key_length);
	}
	return true;
}

static bool
end_string(JsonReader *reader)
{
	if (reader->is_key)
		return end_key(reader);
	reader->field = NULL;
	reader->state = JSON_AFTER_VALUE;
	return true;
}

static bool
string_byte(JsonReader *reader, char byte)
{
	char		decoded[JSON_STRING_DECODED];
	size_t		length;

	switch (json_string_take(&reader->string, byte, decoded, &length))
	{
		case JSON_STRING_MORE:
			return append(reader, decoded, length);
		case JSON_STRING_END:
			return end_string(reader);
		default:
			return fail(reader, JSON_MALFORMED);
	}
}

static bool
literal_byte(JsonReader *reader, char byte)
{
	if (byte != *reader->literal++)
		return fail(reader, JSON_MALFORMED);
	if (*reader->literal == '\0')
		reader->state = reader->state == JSON_IN_MARK ? JSON_BEFORE_VALUE : JSON_AFTER_VALUE;
	return true;
}

static bool
end_number(JsonReader *reader)
{
	if (!json_number_is_complete(reader->number))
		return fail(reader, JSON_MALFORMED);
	if (reader->field && isinf(strtod(reader->field->text, NULL)))
		return fail(reader, JSON_MALFORMED);
	reader->field = NULL;
	reader->state = JSON_AFTER_VALUE;
	return true;
}

/* Takes a character between values. */
static bool
structure_byte(JsonReader *reader, char byte)
{
	if (byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r')
		return true;
	switch (reader->state)
	{
		case JSON_BEFORE_FIRST_ELEMENT:
			if (byte == ']')
				return close_nested(reader, byte);
			return value_start(reader, byte);
		case JSON_BEFORE_VALUE:
			return value_start(reader, byte);
		case JSON_BEFORE_FIRST_KEY:
			if (byte == '}')
				return close_nested(reader, byte);
			/* fall through */
		case JSON_BEFORE_KEY:
			return byte == '"' ? begin_string(reader, true) : fail(reader, JSON_MALFORMED);
		case JSON_AFTER_KEY:
			reader->state = JSON_BEFORE_VALUE;
			return byte == ':' || fail(reader, JSON_MALFORMED);
		default:
			if (byte != ',')
				return (byte == ']' || byte == '}') ? close_nested(reader, byte) : fail(reader, JSON_MALFORMED);
			reader->state = in_object(reader) ? JSON_BEFORE_KEY : JSON_BEFORE_VALUE;
			return reader->depth > 0 || fail(reader, JSON_MALFORMED);
	}
}

/* Takes the first byte, which may be that of a byte order mark. */
static bool
first_byte(JsonReader *reader, char byte)
{
	if (byte != BYTE_ORDER_MARK[0])
	{
		reader->state = JSON_BEFORE_VALUE;
		return structure_byte(reader, byte);
	}
	reader->literal = &BYTE_ORDER_MARK[1];
	reader->state = JSON_IN_MARK;
	return true;
}

static bool
take_byte(JsonReader *reader, char byte)
{
	switch (reader->state)
	{
		case JSON_BEFORE_ALL:
			return first_byte(reader, byte);
		case JSON_IN_STRING:
			return string_byte(reader, byte);
		case JSON_IN_LITERAL:
		case JSON_IN_MARK:
			return literal_byte(reader, byte);
		case JSON_IN_NUMBER:
			if (json_number_take(&reader->number, byte))
				return append(reader, &byte, 1);
			return end_number(reader) && structure_byte(reader, byte);
		default:
			return structure_byte(reader, byte);
	}
}

/* Keeps what was read of a field that is kept as it is; NULL: there is none. */
static bool
copy(JsonReader *reader, Field *copied, const char *bytes, size_t length)
{
	return copied == NULL || field_append(reader->current, copied, bytes, length) || fail(reader, JSON_TOO_LARGE);
}

/* Takes a byte, which may be the first or the last of such a field. */
static bool
take_and_copy(JsonReader *reader, char byte)
{
	Field	   *before = reader->copied;

	return take_byte(reader, byte) && copy(reader, before ? before : reader->copied, &byte, 1);
}

bool
json_reader_feed(JsonReader *reader, const char *bytes, size_t length)
{
	for (size_t i = 0; i < length;)
	{
		size_t		plain = 0;

		if (reader->state == JSON_IN_STRING)
			plain = json_string_plain(&reader->string, bytes + i, length - i);
		if (plain > 0)
		{
			if (!append(reader, bytes + i, plain) || !copy(reader, reader->copied, bytes + i, plain))
				return false;
			reader->column += (int) plain;
			i += plain;
			continue;
		}
		if ((bytes[i] & 0xc0) != 0x80)
			reader->column++;
		if (!take_and_copy(reader, bytes[i]))
			return false;
		if (bytes[i] == '\n')
		{
			reader->line++;
			reader->column = 0;
		}
		i++;
	}
	return true;
}

bool
json_reader_end(JsonReader *reader)
{
	if (reader->state == JSON_IN_NUMBER && !end_number(reader))
		return false;
	if (reader->state != JSON_AFTER_VALUE || reader->depth > 0)
		return fail(reader, JSON_MALFORMED);
	if (!reader->root_is_object)
		return fail(reader, JSON_NOT_AN_OBJECT);
	if (reader->data_is_invalid)
		return fail(reader, JSON_DATA_NOT_AN_OBJECT);
	if (reader->root_has_members && !reader->data_given)
		return fail(reader, JSON_DATA_MISSING);
	if (reader->outside)
		return fail(reader, JSON_FIELD_OUTSIDE);
	return true;
}
