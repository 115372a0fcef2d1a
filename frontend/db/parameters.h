/*
 * parameters.h
 *		Arrays as parameters of a statement.
 *
 * An array is meant to be reused; its memory grows as needed.
 */
#ifndef CHATD_PARAMETERS_H
#define CHATD_PARAMETERS_H

#include <stdbool.h>
#include <stddef.h>

typedef enum ArrayType
{
	ARRAY_OF_INTEGERS = 23,		/* OIDs of the element types */
	ARRAY_OF_TEXTS = 25,
	ARRAY_OF_JSONS = 3802
} ArrayType;

typedef struct Array
{
	char	   *bytes;
	size_t		used;
	bool		failed;			/* out of memory */
	bool		any;			/* an element is not null */
	size_t		size;
} Array;

/* Begins an array of count elements, which have to be added next. */
extern void array_begin(Array *array, ArrayType type, int count);

/* Adds a text of length bytes; NULL stands for null. */
extern void array_add_text(Array *array, const char *text, size_t length);

/* Adds a text of length bytes as jsonb; NULL stands for null. */
extern void array_add_json(Array *array, const char *text, size_t length);

/* Adds an integer; 0 stands for null. */
extern void array_add_number(Array *array, int number);

/* Adds the integer 0. */
extern void array_add_zero(Array *array);

/* Is the array whole? Not if it ran out of memory. */
extern bool array_is_complete(const Array *array);

#endif
