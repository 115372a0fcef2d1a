/*
 * row_statement.c
 *	  Statements about one row that a transaction may change again and again.
 *
 * A transaction that updates a row a thousand times leaves a thousand versions,
 * and no other can remove one before it ends. So a statement first goes to the
 * version that this transaction made last, by its ctid, and only then looks for
 * the row by its key, which may be a look at all of them.
 *
 * Nor must it leave a lock in the row: the lock would pass on to the new
 * version, and each later subtransaction that updates the row would have to make
 * a multixact of that lock and its own update. See rows/counter_row.c.
 *
 * The caller is connected to SPI, as the tables' owner.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"

#include "core/row_statement.h"
#include "rows/tid_cache.h"

/*
 * Run a statement about the row of a table whose key has this hash. Of its
 * parameters, the one at this place in values, from 0 on, is set here, to the
 * row's ctid; its result has the column ctid. Returns the number of rows, 1 or 0.
 */
uint64
row_statement_run(RowStatement *statement, ChatTable table, uint32 hash, Datum *values, int place)
{
	ItemPointerData tid;

	values[place] = PointerGetDatum(&tid);
	if (!(tid_cache_find_version(table, hash, &tid) && spi_plan_write(&statement->by_place, values, NULL) > 0) &&
		!(tid_cache_find_version_before(table, hash, &tid) && spi_plan_write(&statement->by_place, values, NULL) > 0) &&
		spi_plan_write(&statement->by_key, values, NULL) == 0)
		return 0;
	tid = *(ItemPointer) DatumGetPointer(spi_result(0, spi_column("ctid"), TIDOID, NULL));
	if (TransactionIdIsValid(GetTopTransactionIdIfAny()))
		tid_cache_put_version(table, hash, &tid);
	return 1;
}
