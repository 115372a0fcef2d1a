/*
 * int_columns.h
 *	  Arrays of integers, as parameters of statements: see int_columns.c.
 */
#ifndef PG_CHAT_INT_COLUMNS_H
#define PG_CHAT_INT_COLUMNS_H

#include "postgres.h"

/* The most columns of IntColumns. */
#define INT_COLUMNS_MAX 6

/* Rows of integers, kept as parallel arrays, by which a statement takes many rows. */
typedef struct IntColumns
{
	Datum	   *values[INT_COLUMNS_MAX];
	int			columns;
	int			count;			/* rows */
} IntColumns;

extern void int_columns_init(IntColumns *rows, int columns, int capacity);
extern void int_columns_append(IntColumns *rows, const int32 *row);
extern void int_columns_to_arrays(const IntColumns *rows, Datum *arrays);

#endif							/* PG_CHAT_INT_COLUMNS_H */
