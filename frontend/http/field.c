/*
 * field.c
 *		The fields of a body that a handler wants.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "http/field.h"

#define SIZE_FIRST 64

void
fields_begin(Fields *fields, const char *const *names, Share *share)
{
	*fields = (Fields) {.share = share};
	while (names[fields->count])
	{
		fields->list[fields->count].name = names[fields->count];
		fields->count++;
	}
}

Field *
fields_find(Fields *fields, const char *name, size_t length)
{
	for (int i = 0; i < fields->count; i++)
		if (strlen(fields->list[i].name) == length && memcmp(fields->list[i].name, name, length) == 0)
			return &fields->list[i];
	return NULL;
}

const Field *
fields_find_similar(const Fields *fields, const char *name, size_t length)
{
	for (int i = 0; i < fields->count; i++)
		if (strlen(fields->list[i].name) == length && strncasecmp(fields->list[i].name, name, length) == 0)
			return &fields->list[i];
	return NULL;
}

void
fields_note_unknown(Fields *fields, const char *name, size_t length)
{
	if (*fields->unknown)
		return;
	if (length > FIELD_NAME_MAX)
		length = FIELD_NAME_MAX;
	memcpy(fields->unknown, name, length);
	fields->unknown[length] = '\0';
}

bool
field_append(Fields *fields, Field *field, const char *bytes, size_t length)
{
	size_t		needed = field->length + length + 1;

	if (needed > field->size)
	{
		size_t		size = field->size ? field->size * 2 : SIZE_FIRST;
		char	   *text;

		if (size < needed)
			size = needed;
		if (!share_has_room(fields->share, MEMORY_OF_BODIES, size - field->size))
			return false;
		text = realloc(field->text, size);
		if (text == NULL)
			return false;
		share_take(fields->share, MEMORY_OF_BODIES, size - field->size);
		field->text = text;
		field->size = size;
	}
	memcpy(field->text + field->length, bytes, length);
	field->length += length;
	field->text[field->length] = '\0';
	return true;
}

void
fields_free(Fields *fields)
{
	for (int i = 0; i < fields->count; i++)
	{
		Field	   *field = &fields->list[i];

		share_give(fields->share, MEMORY_OF_BODIES, field->size);
		free(field->text);
		*field = (Field) {.name = field->name};
	}
}
