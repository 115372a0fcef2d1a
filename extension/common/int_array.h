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

/* Columns of IntColumns, at most. */
#define INT_COLUMNS_MAX 6

/* Rows of integers, kept as parallel arrays: the way a statement takes many rows. */
typedef struct IntColumns
{
	Datum	   *values[INT_COLUMNS_MAX];
	int			columns;
	int			count;			/* rows */
} IntColumns;

extern void int_columns_init(IntColumns *rows, int columns, int capacity);
extern void int_columns_append(IntColumns *rows, const int32 *row);
extern void int_columns_to_arrays(const IntColumns *rows, Datum *arrays);
extern void int32_array_init(Int32Array *array, int capacity);
extern void int32_array_append(Int32Array *array, int32 value);
extern Datum int32_array_datum(const Int32Array *array);

#endif							/* PG_CHAT_INT_ARRAY_H */
