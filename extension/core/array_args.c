/*
 * array_args.c
 *	  Array arguments of functions that work on many items.
 *
 * The arguments are arrays of equal length. The elements at one place in all
 * of them make up an item.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/lsyscache.h"

#include "core/array_args.h"

/*
 * Deconstruct argument n, an array of this type, by its name. Raises 22023 if
 * it is null or has more than one dimension.
 */
static ArrayArg
column_from_argument(FunctionCallInfo fcinfo, int n, Oid type, const char *name)
{
	ArrayArg	column = {0};
	ArrayType  *array = PG_ARGISNULL(n) ? NULL : PG_GETARG_ARRAYTYPE_P(n);
	int16		length;
	bool		by_value;
	char		alignment;

	if (array == NULL || ARR_NDIM(array) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be an array of one dimension", name),
				 err_generic_string(PG_DIAG_COLUMN_NAME, name)));
	get_typlenbyvalalign(type, &length, &by_value, &alignment);
	deconstruct_array(array, type, length, by_value, alignment,
					  &column.values, &column.nulls, &column.count);
	return column;
}

/*
 * Deconstruct argument 0, the applications: ids or tokens, by type. Raises
 * 22023 if it is null or has more than one dimension.
 */
ArrayArg
array_arg_of_applications(FunctionCallInfo fcinfo, Oid type)
{
	return column_from_argument(fcinfo, 0, type, type == TEXTOID ? "tokens" : "applications");
}

/*
 * Deconstruct another argument. Raises 22023 also if it does not have as many
 * elements as there are items, which are called so in plural. count is -1 for any.
 */
ArrayArg
array_arg_of_items(FunctionCallInfo fcinfo, int n, Oid type, const char *name, int count, const char *items)
{
	ArrayArg	column = column_from_argument(fcinfo, n, type, name);

	if (count >= 0 && column.count != count)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s has %d elements, but there are %d %s",
						name, column.count, count, items),
				 err_generic_string(PG_DIAG_COLUMN_NAME, name)));
	return column;
}

/* The same of a function whose items are named by applications. */
ArrayArg
array_arg_of_count(FunctionCallInfo fcinfo, int n, Oid type, const char *name, int count)
{
	return array_arg_of_items(fcinfo, n, type, name, count, "applications");
}

/*
 * The same of an argument that may be null, as if all its elements were: then it has
 * none.
 */
ArrayArg
array_arg_or_nulls(FunctionCallInfo fcinfo, int n, Oid type, const char *name, int count)
{
	ArrayArg	none = {0};

	return PG_ARGISNULL(n) ? none : array_arg_of_count(fcinfo, n, type, name, count);
}

/*
 * The element of an item, counted from 0 here.
 */
NullableDatum
array_arg_element(const ArrayArg *array, int i)
{
	return (NullableDatum) {.value = array->values[i], .isnull = array->nulls[i]};
}
