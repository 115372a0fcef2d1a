/*
 * field_value.c
 *		The values of a body's fields, and what is wrong with them.
 */
#include <ctype.h>
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
field_is_empty(Fields *fields, const char *name)
{
	const Field *field = fields_find(fields, name, strlen(name));

	return is_missing(field) || (field->type == FIELD_TEXT && field->length == 0);
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

/* Are the first two digits of a text a number from minimum to maximum? */
static bool
is_part(const char *digits, int minimum, int maximum)
{
	int			number;

	if (!isdigit((unsigned char) digits[0]) || !isdigit((unsigned char) digits[1]))
		return false;
	number = (digits[0] - '0') * 10 + digits[1] - '0';
	return number >= minimum && number <= maximum;
}

static int
days_of(int year, int month)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool		leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return days[month - 1] + (month == 2 && leap ? 1 : 0);
}

static bool
is_time(const char *text, size_t length)
{
	static const char pattern[] = "0000-00-00T00:00:00";
	size_t		fraction;

	if (length < sizeof(pattern))
		return false;
	for (size_t i = 0; i < sizeof(pattern) - 1; i++)
		if (pattern[i] == '0' ? !isdigit((unsigned char) text[i]) : text[i] != pattern[i])
			return false;
	if (strncmp(text, "0000", 4) == 0 || !is_part(text + 5, 1, 12) || !is_part(text + 8, 1, days_of(atoi(text), atoi(text + 5))) ||
		!is_part(text + 11, 0, 23) || !is_part(text + 14, 0, 59) || !is_part(text + 17, 0, 59))
		return false;
	text += sizeof(pattern) - 1;
	length -= sizeof(pattern) - 1;
	fraction = *text == '.' ? strspn(text + 1, "0123456789") : 0;
	if (*text == '.' && (fraction < 1 || fraction > 6))
		return false;
	text += *text == '.' ? fraction + 1 : 0;
	return strcmp(text, "Z") == 0 && length == (fraction ? fraction + 2 : 1);
}

const char *
field_time(Fields *fields, Json *faults, const char *name, size_t *length)
{
	const char *text = field_optional_text(fields, faults, name, length);

	if (text == NULL || is_time(text, *length))
		return text;
	fault_add(faults, name, "must be a time in UTC, as in 2026-01-02T03:04:05.123456Z");
	return NULL;
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

/* The number of a field that is there, from a minimum on; 0, with a fault, if it is invalid. */
static int
number_of(const Field *field, Json *faults, int minimum)
{
	double		number = NAN;

	if (field->type == FIELD_NUMBER)
		number = strtod(field->text, NULL);
	else if (field->type == FIELD_TEXT && field->length > 0)
		number = number_of_text(field->text, field->length);

	if (isnan(number) || number != floor(number))
		fault_add(faults, field->name, "is not a number");
	else if (number < minimum)
		fault_add(faults, field->name, minimum == 0 ? "must not be less than 0" : "must be greater than 0");
	else if (number > INT_MAX)
		fault_add(faults, field->name, "is too large");
	else
		return (int) number;
	return 0;
}

int
field_number(Fields *fields, Json *faults, const char *name)
{
	const Field *field = find_field(fields, faults, name);

	return field == NULL || is_missing(field) ? 0 : number_of(field, faults, 1);
}

int
field_count(Fields *fields, Json *faults, const char *name)
{
	const Field *field = find_field(fields, faults, name);

	if (field == NULL)
		return 0;
	if (!is_missing(field))
		return number_of(field, faults, 0);
	fault_add(faults, name, "can't be blank");
	return 0;
}

/* Is the field this word, as a form has it? */
static bool
is_word(const Field *field, const char *word)
{
	return field->type == FIELD_TEXT && field->length == strlen(word) && memcmp(field->text, word, field->length) == 0;
}

bool
field_flag(Fields *fields, Json *faults, const char *name)
{
	const Field *field = find_field(fields, faults, name);

	if (field == NULL || is_missing(field) || field->type == FIELD_FALSE || is_word(field, "false"))
		return false;
	if (field->type == FIELD_TRUE || is_word(field, "true"))
		return true;
	fault_add(faults, name, "must be true or false");
	return false;
}
