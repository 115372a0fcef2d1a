/*
 * int_array.c
 *	  Arrays of integers, as parameters of statements.
 *
 * A statement over many rows takes them as parallel arrays, one a column.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"

#include "common/int_array.h"

/*
 * Begin an array of at most capacity elements, in the current memory context.
 */
void
int32_array_init(Int32Array *array, int capacity)
{
	array->values = palloc(Max(capacity, 1) * sizeof(Datum));
	array->count = 0;
}

/* Add an element. */
void
int32_array_append(Int32Array *array, int32 value)
{
	array->values[array->count++] = Int32GetDatum(value);
}

/* The array as an integer[], in the current memory context. */
Datum
int32_array_datum(const Int32Array *array)
{
	return PointerGetDatum(construct_array(array->values, array->count, INT4OID,
										   sizeof(int32), true, TYPALIGN_INT));
}
