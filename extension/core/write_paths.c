/*
 * write_paths.c
 *	  Which way messages and chats are created, and messages read as JSON.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "core/sql_function.h"
#include "rows/known_tables.h"

PG_FUNCTION_INFO_V1(chat_write_paths);

/* The operations on each table. */
static const struct
{
	ChatTable	table;
	RowOperation operation;
	const char *what;
}			steps[] = {
	{TABLE_APPLICATIONS, ROW_READ, "find by token"},
	{TABLE_APPLICATIONS, ROW_REFERENCE, "refer to"},
	{TABLE_APPLICATION_COUNTERS, ROW_UPDATE, "count chats"},
	{TABLE_CHATS, ROW_INSERT, "create chats"},
	{TABLE_CHATS, ROW_UPDATE, "count messages"},
	{TABLE_MESSAGES, ROW_INSERT, "create messages"},
	{TABLE_MESSAGES, ROW_READ, "read messages"},
	{TABLE_MESSAGES, ROW_UPDATE, "change messages"}
};

/*
 * chat.write_paths(OUT "table" text, OUT step text, OUT direct boolean, OUT
 * reason text) returns setof record
 *
 * A row for each operation on a table: whether it is done without a statement,
 * and if not, why.
 */
Datum
chat_write_paths(PG_FUNCTION_ARGS)
{
	static SqlSignature signature = {.nargs = 0, SQL_RETURNS_ROWS(TEXTOID, TEXTOID, BOOLOID, TEXTOID)};
	RowStore	store;
	const char *general = known_tables_obstacle();

	sql_signature_check(fcinfo, &signature, InvalidOid);
	store = sql_function_result_store(fcinfo, &signature);
	for (int i = 0; i < lengthof(steps); i++)
	{
		const PlainTable *table = known_tables_look(steps[i].table);
		const char *obstacle = general != NULL ? general : table->obstacles[steps[i].operation];
		Datum		values[4] = {
			CStringGetTextDatum(known_tables_name(steps[i].table)),
			CStringGetTextDatum(steps[i].what),
			BoolGetDatum(obstacle == NULL)
		};
		bool		nulls[4] = {false, false, false, obstacle == NULL};

		if (obstacle != NULL)
			values[3] = CStringGetTextDatum(obstacle);
		tuplestore_putvalues(store.rows, store.descriptor, values, nulls);
	}
	return (Datum) 0;
}
