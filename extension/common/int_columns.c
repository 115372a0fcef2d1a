/*
 * int_columns.c
 *	  Arrays of integers, as parameters of statements.
 *
 * A statement over many rows takes them as parallel arrays, one a column.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"

#include "common/int_columns.h"

/*
 * Initialize an empty set of at most capacity rows, in the current memory
 * context.
 */
void
int_columns_init(IntColumns *rows, int columns, int capacity)
{
	Assert(columns <= INT_COLUMNS_MAX);
	rows->columns = columns;
	rows->count = 0;
	for (int i = 0; i < columns; i++)
		rows->values[i] = palloc(Max(capacity, 1) * sizeof(Datum));
}

/* Append a row, which has as many integers as there are columns. */
void
int_columns_append(IntColumns *rows, const int32 *row)
{
	for (int i = 0; i < rows->columns; i++)
		rows->values[i][rows->count] = Int32GetDatum(row[i]);
	rows->count++;
}

/* Set arrays to one integer[] for each column, in the current memory context. */
void
int_columns_to_arrays(const IntColumns *rows, Datum *arrays)
{
	for (int i = 0; i < rows->columns; i++)
		arrays[i] = PointerGetDatum(construct_array(rows->values[i], rows->count, INT4OID,
													sizeof(int32), true, TYPALIGN_INT));
}
