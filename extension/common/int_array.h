/*
 * int_array.h
 *	  Arrays of integers, as parameters of statements: see int_array.c.
 */
#ifndef PG_CHAT_INT_ARRAY_H
#define PG_CHAT_INT_ARRAY_H

#include "postgres.h"

/* An array of integers that is being filled. */
typedef struct Int32Array
{
	Datum	   *values;
	int			count;
} Int32Array;

extern void int32_array_init(Int32Array *array, int capacity);
extern void int32_array_append(Int32Array *array, int32 value);
extern Datum int32_array_datum(const Int32Array *array);

#endif							/* PG_CHAT_INT_ARRAY_H */
