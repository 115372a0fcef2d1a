/*
 * tid_array.c
 *	  Rows that one statement found, for the next to change.
 *
 * A statement that changes rows by their keys might be planned to read the
 * whole table for each key. So a first statement locks the rows, with a
 * LATERAL subquery (see spi_plan.c), and a second one changes them by their
 * ctids.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/array.h"

#include "common/spi_plan.h"
#include "common/tid_array.h"

/* The ctids in a column of SPI_tuptable, as a tid[] in the current memory context. */
Datum
tid_array_of_result(const char *column)
{
	uint64		count = SPI_processed;
	int			number = spi_column(column);
	Datum	   *tids = palloc(Max(count, 1) * sizeof(Datum));

	for (uint64 row = 0; row < count; row++)
		tids[row] = spi_result(row, number, TIDOID, NULL);
	return PointerGetDatum(construct_array(tids, count, TIDOID, sizeof(ItemPointerData),
										   false, TYPALIGN_SHORT));
}

/*
 * Change the rows that a statement finds and locks, whose column ctid it returns.
 * values are its parameters; change has been made by TID_ARRAY_PLAN. Returns the
 * number of rows.
 */
uint64
tid_array_write(SavedPlan *find, const Datum *values, SavedPlan *change)
{
	Datum		tids;

	if (spi_plan_write(find, values, NULL) == 0)
		return 0;
	tids = tid_array_of_result("ctid");
	return spi_plan_write(change, &tids, NULL);
}
