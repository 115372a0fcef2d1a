/*
 * parameters.h
 *		Arrays as parameters of a statement.
 *
 * An array is reused, and its memory grows as needed.
 */
#ifndef CHATD_PARAMETERS_H
#define CHATD_PARAMETERS_H

#include <stdbool.h>
#include <stddef.h>

typedef enum ArrayType
{
	ARRAY_OF_INTEGERS = 23,		/* OIDs of the element types */
	ARRAY_OF_TEXTS = 25
} ArrayType;

typedef struct Array
{
	char	   *bytes;
	size_t		used;
	bool		failed;			/* there was no memory for all of it */
	size_t		size;
} Array;

/* Begins an array of count elements, which have to be added next. */
extern void array_begin(Array *array, ArrayType type, int count);

extern void array_add_text(Array *array, const char *text, size_t length);

/* The number 0 stands for null. */
extern void array_add_number(Array *array, int number);

/* Was there memory for all of the elements? */
extern bool array_is_complete(const Array *array);

#endif
