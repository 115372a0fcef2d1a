/*
 * parameters.c
 *		Arrays as parameters of a statement.
 *
 * They are in PostgreSQL's binary format: a header, then each element preceded by
 * its length, -1 for null; all integers in network byte order.
 */
#include <arpa/inet.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "db/parameters.h"

static void
append(Array *array, const void *bytes, size_t length)
{
	if (array->used + length > array->size)
	{
		size_t		size = (array->used + length) * 2;
		char	   *grown = realloc(array->bytes, size);

		if (grown == NULL)
		{
			array->failed = true;
			return;
		}
		array->bytes = grown;
		array->size = size;
	}
	memcpy(array->bytes + array->used, bytes, length);
	array->used += length;
}

static void
append_integer(Array *array, int32_t number)
{
	uint32_t	value = htonl((uint32_t) number);

	append(array, &value, sizeof(value));
}

void
array_begin(Array *array, ArrayType type, int count)
{
	array->used = 0;
	array->failed = array->any = false;
	append_integer(array, 1);	/* dimensions */
	append_integer(array, 1);	/* there may be nulls */
	append_integer(array, type);
	append_integer(array, count);
	append_integer(array, 1);	/* lower bound */
}

void
array_add_text(Array *array, const char *text, size_t length)
{
	append_integer(array, text ? (int32_t) length : -1);
	if (text)
		append(array, text, length);
	array->any |= text != NULL;
}

void
array_add_json(Array *array, const char *text, size_t length)
{
	static const char version = 1;	/* of the binary format of jsonb */

	append_integer(array, text ? (int32_t) length + 1 : -1);
	if (text)
	{
		append(array, &version, 1);
		append(array, text, length);
	}
	array->any |= text != NULL;
}

void
array_add_number(Array *array, int number)
{
	append_integer(array, number ? (int32_t) sizeof(int32_t) : -1);
	if (number)
		append_integer(array, number);
	array->any |= number != 0;
}

void
array_add_zero(Array *array)
{
	append_integer(array, sizeof(int32_t));
	append_integer(array, 0);
	array->any = true;
}

bool
array_is_complete(const Array *array)
{
	return !array->failed;
}
