/*
 * pagination.c
 *	  Lists by pages.
 *
 * Lists ascend by number and are paged by it, never by offset. So a page costs
 * the same wherever it is in the list, and no row is skipped or repeated while
 * the list grows. after alone pages forward, before alone pages backward, and
 * both together give the start of what lies between.
 */
#include "postgres.h"

#include "catalog/pg_type.h"

#include "core/pagination.h"

/* Raise 22023 for an argument that is not within its range. */
void
page_raise_out_of_range(const char *argument, int minimum, int maximum)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("%s must be from %d to %d", argument, minimum, maximum),
			 err_generic_string(PG_DIAG_COLUMN_NAME, argument)));
}

/*
 * The limit that an argument gives, 100 if it is null. Raises 22023 if it is
 * out of range.
 */
int32
page_limit(NullableDatum value)
{
	int32		limit = value.isnull ? PAGE_LIMIT_DEFAULT : DatumGetInt32(value.value);

	if (limit < 1 || limit > PAGE_LIMIT_MAXIMUM)
		page_raise_out_of_range("limit", 1, PAGE_LIMIT_MAXIMUM);
	return limit;
}

/*
 * The number or revision that an argument says a reader has seen; 0 for null. Raises
 * 22023 if it is wrong.
 */
int32
page_position(NullableDatum value, const char *argument)
{
	int32		position = value.isnull ? 0 : DatumGetInt32(value.value);

	if (position < 0)
		page_raise_out_of_range(argument, 0, PG_INT32_MAX);
	return position;
}

/*
 * The most bytes of a page that an argument gives; 0, for any number, if it is
 * null. Raises 22023 if it is out of range.
 */
int32
page_max_size(NullableDatum value)
{
	if (value.isnull)
		return 0;
	if (DatumGetInt32(value.value) < 1)
		page_raise_out_of_range("max_size", 1, PG_INT32_MAX);
	return DatumGetInt32(value.value);
}

/*
 * The page that after, before and limit ask for. Raises 22023 with the name of
 * the one that is out of range.
 */
ListPage
page_from_values(NullableDatum after, NullableDatum before, NullableDatum limit)
{
	ListPage	page = {.above = page_position(after, "after"), .through = PG_INT32_MAX};

	if (!before.isnull)
	{
		if (DatumGetInt32(before.value) < 1)
			page_raise_out_of_range("before", 1, PG_INT32_MAX);
		page.through = DatumGetInt32(before.value) - 1;
		page.from_end = after.isnull;
	}
	page.limit = page_limit(limit);
	return page;
}

/*
 * The page that the arguments after, before and limit ask for, of which first
 * is the place of after.
 */
ListPage
page_from_arguments(FunctionCallInfo fcinfo, int first)
{
	return page_from_values(fcinfo->args[first], fcinfo->args[first + 1], fcinfo->args[first + 2]);
}

/* The page at the end of the list. Raises 22023 if limit is out of range. */
ListPage
page_of_last(NullableDatum limit)
{
	return (ListPage) {
		.through = PG_INT32_MAX,
		.limit = page_limit(limit),
		.from_end = true
	};
}

/*
 * Append the rows of a page to store. arguments are the first count parameters
 * of the statements. Returns the number of rows.
 */
uint64
page_store(PagePlans *plans, const Datum *arguments, int count, ListPage page,
		   RowStore store)
{
	Datum		values[SPI_PLAN_MAX_ARGS];

	for (int i = 0; i < count; i++)
		values[i] = arguments[i];
	values[count] = Int32GetDatum(page.above);
	values[count + 1] = Int32GetDatum(page.through);
	values[count + 2] = Int64GetDatum(page.limit);
	return spi_plan_read_into(page.from_end ? &plans->from_end : &plans->from_start, values, store);
}
