/*
 * spi_plan.h
 *	  Statements that are prepared once for the session: see spi_plan.c.
 */
#ifndef PG_CHAT_SPI_PLAN_H
#define PG_CHAT_SPI_PLAN_H

#include "executor/spi.h"
#include "utils/tuplestore.h"

#define SPI_PLAN_MAX_ARGS 12

/*
 * A statement with parameters $1 to $nargs. Defined as a static variable with
 * SAVED_PLAN; plan is filled at the first use.
 */
typedef struct SavedPlan
{
	const char *sql;
	bool		by_tid;			/* reaches its rows by ctid, not by a key */
	int			nargs;
	Oid			argtypes[SPI_PLAN_MAX_ARGS];
	SPIPlanPtr	plan;
} SavedPlan;

#define SAVED_PLAN(statement, ...) \
	{ \
		.sql = statement, \
		.nargs = lengthof(((Oid[]) {__VA_ARGS__})), \
		.argtypes = {__VA_ARGS__} \
	}

/* A store of rows that a function returns, and the columns that it has. */
typedef struct RowStore
{
	Tuplestorestate *rows;
	TupleDesc	descriptor;
} RowStore;

extern uint64 spi_plan_read(SavedPlan *plan, const Datum *values);
extern uint64 spi_plan_read_fresh(SavedPlan *plan, const Datum *values);
extern uint64 spi_plan_write(SavedPlan *plan, const Datum *values, const char *nulls);
extern uint64 spi_plan_write_latest(SavedPlan *plan, const Datum *values);
extern uint64 spi_plan_read_into(SavedPlan *plan, const Datum *values, RowStore store);
extern uint64 spi_plan_read_to(SavedPlan *plan, const Datum *values, DestReceiver *receiver);
extern uint64 spi_plan_read_into_replanned(const SavedPlan *plan, const Datum *values, RowStore store);
extern uint64 spi_plan_read_to_replanned(const SavedPlan *plan, const Datum *values, DestReceiver *receiver);
extern DestReceiver *row_store_receiver(RowStore store);
extern uint64 spi_execute(const char *sql);
extern uint64 spi_execute_with(const char *sql, int nargs, const Oid *types, const Datum *values);
extern void spi_require_type(const char *column, Oid found, Oid wanted);
extern int	spi_column(const char *name);
extern Datum spi_result(uint64 row, int column, Oid type, bool *isnull);
extern int32 spi_result_int32(uint64 row, int column);
extern int64 spi_result_int64(uint64 row, int column);
extern bool spi_result_bool(uint64 row, int column);
extern text *spi_result_text(uint64 row, int column, bool *isnull);
extern char *spi_result_string(uint64 row, int column, bool *isnull);

#endif							/* PG_CHAT_SPI_PLAN_H */
