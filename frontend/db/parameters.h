/*
 * array.h
 *		Arrays as parameters of a statement.
 *
 * An array is kept and filled again and again; its memory grows as needed.
 */
#ifndef CHATD_ARRAY_H
#define CHATD_ARRAY_H

#include <stddef.h>

typedef enum ArrayType
{
	ARRAY_OF_INTEGERS = 23,		/* PostgreSQL's numbers for these types */
	ARRAY_OF_TEXTS = 25
} ArrayType;

typedef struct Array
{
	char	   *bytes;
	size_t		used;
	size_t		size;
} Array;

/* Empties the array and begins one of count elements, which must be added. */
extern void array_begin(Array *array, ArrayType type, int count);

extern void array_add_text(Array *array, const char *text, size_t length);

/* A number; 0 stands for SQL's null. */
extern void array_add_number(Array *array, int number);

#endif
