/*
 * json_object.c
 *		Checks a JSON object that goes to the database as it was sent.
 *
 * The database would refuse the whole batch with a value that jsonb cannot have: a
 * character U+0000, a number out of its range. And of two members of one name it would
 * silently keep the last. So each name is remembered, by a hash of it and of the object
 * that it is in; 64 bits, keyed at random, are told apart for sure enough.
 */
#include <ctype.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "http/json_number.h"
#include "http/json_object.h"
#include "http/json_string.h"

#define DEPTH_MAX 64			/* of arrays and objects in each other */
#define NUMBER_MAX 100			/* characters of a number */

#define MALFORMED "must be a JSON object"

/* A text that is being checked. */
typedef struct Check
{
	const char *next;
	const char *end;
	const char *fault;			/* NULL: none yet */

	/* the arrays and objects around what is next */
	int			depth;
	uint64_t	object[DEPTH_MAX];	/* the number of the object; 0: an array */
	uint64_t	objects;		/* so far */

	/* hashes of names that were met, 0 in free places */
	uint64_t   *names;
	size_t		mask;
	uint64_t	key;
} Check;

static bool
fail(Check *check, const char *fault)
{
	check->fault = fault;
	return false;
}

static void
skip_space(Check *check)
{
	while (check->next < check->end && *check->next && strchr(" \t\n\r", *check->next))
		check->next++;
}

/* Takes a character if it is next. */
static bool
take(Check *check, char character)
{
	if (check->next == check->end || *check->next != character)
		return false;
	check->next++;
	return true;
}

static uint64_t
mix(uint64_t hash, uint64_t value)
{
	hash = (hash ^ value) * UINT64_C(0x9e3779b97f4a7c15);
	return hash ^ hash >> 29;
}

/* Checks a string, behind its opening quote, and hashes what it stands for. */
static bool
check_string(Check *check, uint64_t *hash)
{
	JsonString	string = {0};

	while (check->next < check->end)
	{
		char		decoded[JSON_STRING_DECODED];
		size_t		length;
		JsonStringResult result = json_string_take(&string, *check->next++, decoded, &length);

		if (result == JSON_STRING_END)
			return true;
		if (result == JSON_STRING_MALFORMED)
			break;
		for (size_t i = 0; i < length; i++)
		{
			if (decoded[i] == '\0')
				return fail(check, "can't contain a null byte");
			*hash = mix(*hash, (unsigned char) decoded[i]);
		}
	}
	return fail(check, MALFORMED);
}

/* Is a name new in its object? Notes it. There are more places than names. */
static bool
is_new(Check *check, uint64_t hash)
{
	size_t		place = hash & check->mask;

	hash += hash == 0;
	while (check->names[place] && check->names[place] != hash)
		place = (place + 1) & check->mask;
	if (check->names[place])
		return false;
	check->names[place] = hash;
	return true;
}

/* Checks a name and its colon. */
static bool
check_name(Check *check)
{
	uint64_t	hash = mix(check->key, check->object[check->depth - 1]);

	if (!take(check, '"'))
		return fail(check, MALFORMED);
	if (!check_string(check, &hash))
		return false;
	if (!is_new(check, hash))
		return fail(check, "has a member twice");
	skip_space(check);
	return take(check, ':') || fail(check, MALFORMED);
}

/* Numbers that a double can hold are far within what the database can. */
static bool
check_number(Check *check)
{
	char		text[NUMBER_MAX + 1];
	JsonNumber	number = json_number_begin(*check->next);
	size_t		length = 1;
	double		value;

	while (check->next + length < check->end && json_number_take(&number, check->next[length]))
		length++;
	if (!json_number_is_complete(number))
		return fail(check, MALFORMED);
	if (length > NUMBER_MAX)
		return fail(check, "has a number that is too long");
	memcpy(text, check->next, length);
	text[length] = '\0';
	value = strtod(text, NULL);
	if (isinf(value) || (value == 0 && strcspn(text, "123456789") < strcspn(text, "eE")))
		return fail(check, "has a number that is out of range");
	check->next += length;
	return true;
}

/* Checks true, false or null. */
static bool
check_literal(Check *check)
{
	static const char *const literals[] = {"true", "false", "null"};

	for (size_t i = 0; i < sizeof(literals) / sizeof(literals[0]); i++)
	{
		size_t		length = strlen(literals[i]);

		if ((size_t) (check->end - check->next) >= length && memcmp(check->next, literals[i], length) == 0)
		{
			check->next += length;
			return true;
		}
	}
	return fail(check, MALFORMED);
}

/* Enters an array or an object. Returns false if there are too many around it. */
static bool
enter(Check *check, bool is_object)
{
	if (check->depth == DEPTH_MAX)
		return fail(check, "is nested too deeply");
	check->object[check->depth++] = is_object ? ++check->objects : 0;
	return true;
}

/* Checks a value up to where it ends or, of an array or an object, where its first member or its end is. */
static bool
check_value(Check *check)
{
	uint64_t	ignored = 0;

	skip_space(check);
	if (take(check, '{'))
		return enter(check, true);
	if (take(check, '['))
		return enter(check, false);
	if (take(check, '"'))
		return check_string(check, &ignored);
	if (check->next < check->end && (*check->next == '-' || isdigit((unsigned char) *check->next)))
		return check_number(check);
	return check_literal(check);
}

/* Checks what is left of the object that has been entered. */
static bool
check_members(Check *check)
{
	bool		first = true;

	while (check->depth > 0)
	{
		bool		in_object = check->object[check->depth - 1] != 0;
		int			depth = check->depth;

		skip_space(check);
		if (take(check, in_object ? '}' : ']'))
		{
			check->depth--;
			first = false;
			continue;
		}
		if (!first && !take(check, ','))
			return fail(check, MALFORMED);
		skip_space(check);
		if ((in_object && !check_name(check)) || !check_value(check))
			return false;
		first = check->depth > depth;
	}
	skip_space(check);
	return check->next == check->end || fail(check, MALFORMED);
}

/* Makes room to remember as many names as there can be. Returns false if out of memory. */
static bool
prepare(Check *check)
{
	size_t		colons = 0;

	for (const char *byte = check->next; byte < check->end; byte++)
		colons += *byte == ':';
	for (check->mask = 8; check->mask < colons * 2; check->mask *= 2)
		;
	check->names = calloc(check->mask, sizeof(uint64_t));
	check->mask--;
	return check->names != NULL;
}

const char *
json_object_fault(const char *text, size_t length)
{
	static uint64_t key;
	Check		check = {.next = text, .end = text + length};

	if (key == 0)
		key = (uint64_t) random() << 32 ^ (uint64_t) random() ^ 1;
	check.key = key;
	skip_space(&check);
	if (!take(&check, '{') || !enter(&check, true))
		return MALFORMED;
	if (!prepare(&check))
		return "is too large";
	check_members(&check);
	free(check.names);
	return check.fault;
}
