/*
 * purge_procedure.c
 *	  The procedure that purges what was deleted, where the worker does not.
 *
 * Each step is a transaction of its own, with the rights of the tables' owner.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"

#include "common/sql_signature.h"
#include "common/table_owner.h"
#include "core/purge.h"

PG_FUNCTION_INFO_V1(chat_purge);

/* Raise 2D000 where the caller's transaction cannot be committed. */
static void
require_top_level(FunctionCallInfo fcinfo)
{
	if (fcinfo->context == NULL || !IsA(fcinfo->context, CallContext) || ((CallContext *) fcinfo->context)->atomic)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TRANSACTION_TERMINATION),
				 errmsg("chat.purge() cannot be called within a transaction"),
				 errdetail("It commits each of its steps."),
				 errhint("CALL chat.purge() by itself, without BEGIN.")));
}

/* Do a step of a walk, and commit it. Returns false at the end of the walk. */
static bool
do_step(Purge *purge, uint64 *rows)
{
	TableOwnerSwitch caller = table_owner_become(OWNER_SEES_ALL);
	bool		more = purge_step(purge, PURGE_ROWS, rows);

	table_owner_leave(caller);
	SPI_commit();
	CHECK_FOR_INTERRUPTS();
	return more;
}

/*
 * chat.purge()
 *
 * Walks over what was deleted until there is nothing left that it can do.
 */
Datum
chat_purge(PG_FUNCTION_ARGS)
{
	static SqlSignature signature = {SQL_RETURNS(VOIDOID), .procedure = true};
	Purge		purge = {.of_others = true};
	uint64		rows;

	sql_signature_check(fcinfo, &signature, InvalidOid);
	require_top_level(fcinfo);
	SPI_connect_ext(SPI_OPT_NONATOMIC);
	do
	{
		rows = 0;
		while (do_step(&purge, &rows))
			;
	} while (rows > 0);
	SPI_finish();
	PG_RETURN_VOID();
}
