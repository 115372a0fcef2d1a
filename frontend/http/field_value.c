/*
 * field_value.c
 *		The values of a body's fields, and what is wrong with them.
 */
#include <limits.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/utf8.h"
#include "http/field_value.h"
#include "http/json_object.h"

bool
fault_any(const Json *faults)
{
	return faults->used > 0 || faults->failed;
}

void
fault_add(Json *faults, const char *field, const char *predicate)
{
	if (!fault_any(faults))
		json_open(faults, '{');
	json_name(faults, field);
	json_open(faults, '[');
	json_text(faults, predicate, strlen(predicate));
	json_close(faults, ']');
}

/* The field with this name. If it is repeated, adds a fault and returns NULL. */
static const Field *
find_field(Fields *fields, Json *faults, const char *name)
{
	const Field *field = fields_find(fields, name, strlen(name));

	if (!field->repeated)
		return field;
	fault_add(faults, name, "is given more than once");
	return NULL;
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

static bool
is_missing(const Field *field)
{
	return field->type == FIELD_ABSENT || field->type == FIELD_NULL;
}

bool
field_is_given(Fields *fields, const char *name)
{
	return fields_find(fields, name, strlen(name))->type != FIELD_ABSENT;
}

bool
field_is_null(Fields *fields, const char *name)
{
	return fields_find(fields, name, strlen(name))->type == FIELD_NULL;
}

const char *
field_optional_text(Fields *fields, Json *faults, const char *name, size_t *length)
{
	const Field *field = find_field(fields, faults, name);

	*length = 0;
	if (field == NULL || is_missing(field))
		return NULL;
	if (field->type != FIELD_TEXT)
		fault_add(faults, name, "must be a string");
	else if (field->length > 0 && memchr(field->text, '\0', field->length))
		fault_add(faults, name, "can't contain a null byte");
	else if (is_blank(field->text, field->length))
		fault_add(faults, name, "can't be blank");
	else
	{
		*length = field->length;
		return field->text;
	}
	return NULL;
}

const char *
field_text(Fields *fields, Json *faults, const char *name, size_t *length)
{
	const Field *field = fields_find(fields, name, strlen(name));

	if (!field->repeated && is_missing(field))
		fault_add(faults, name, "can't be blank");
	return field_optional_text(fields, faults, name, length);
}

const char *
field_object(Fields *fields, Json *faults, const char *name, size_t *length)
{
	const Field *field = find_field(fields, faults, name);
	const char *fault = "must be a JSON object";

	*length = 0;
	if (field == NULL || is_missing(field))
		return NULL;
	/* A form has it as text. */
	if ((field->type == FIELD_OBJECT || field->type == FIELD_TEXT) && field->length > 0)
		fault = json_object_fault(field->text, field->length);
	if (fault)
	{
		fault_add(faults, name, fault);
		return NULL;
	}
	*length = field->length;
	return field->text;
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

int
field_number(Fields *fields, Json *faults, const char *name)
{
	const Field *field = find_field(fields, faults, name);
	double		number = NAN;

	if (field == NULL || is_missing(field))
		return 0;
	if (field->type == FIELD_NUMBER)
		number = strtod(field->text, NULL);
	else if (field->type == FIELD_TEXT && field->length > 0)
		number = number_of_text(field->text, field->length);

	if (isnan(number) || number != floor(number))
		fault_add(faults, name, "is not a number");
	else if (number <= 0)
		fault_add(faults, name, "must be greater than 0");
	else if (number > INT_MAX)
		fault_add(faults, name, "is too large");
	else
		return (int) number;
	return 0;
}
