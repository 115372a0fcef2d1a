/*
 * recount_function.c
 *	  chat.reconcile(): recounting for a caller.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "common/sql_signature.h"
#include "common/table_owner.h"
#include "core/arg_error.h"
#include "core/entity_lookup.h"
#include "core/sql_function.h"
#include "counts/recount.h"

PG_FUNCTION_INFO_V1(chat_reconcile);

/* Append a row to the result; context is the function's ReturnSetInfo. */
static void
store_repaired(const RepairedCount *repaired, void *context)
{
	ReturnSetInfo *rsinfo = context;
	Datum		values[5] = {
		Int32GetDatum(repaired->parent.application), Int32GetDatum(repaired->parent.chat),
		CStringGetTextDatum(repaired->counter),
		Int32GetDatum(repaired->old_value), Int32GetDatum(repaired->new_value)
	};
	bool		nulls[5] = {false, repaired->parent.chat == 0, false, false, false};

	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/* Count all parents of a walk after a position, through the last application. */
static void
count_all(RecountWalk walk, ChatKey position, int32 last_application, RecountResult *result)
{
	ChatKey		parents[RECOUNT_SLICE];
	int			count;

	do
	{
		CHECK_FOR_INTERRUPTS();
		count = walk(parents, RECOUNT_SLICE, position, last_application);
		if (count == 0)
			return;
		recount_count(parents, count, result);
		position = parents[count - 1];
	} while (count == RECOUNT_SLICE);
}

/*
 * chat.reconcile(application integer, chat integer) returns setof
 * chat.repaired_count
 *
 * Counts everything, the chats of an application, or the messages of a chat,
 * and returns the counters that it repaired. Raises P0002 if there is no such
 * application or chat, 25006 on a standby, and 42501 if a policy hides rows
 * from the tables' owner, since they would be taken for missing ones.
 */
Datum
chat_reconcile(PG_FUNCTION_ARGS)
{
	static SqlSignature signature = {
		SQL_ARGS(INT4OID, INT4OID), SQL_RETURNS_ROWS(INT4OID, INT4OID, TEXTOID, INT4OID, INT4OID)
	};
	bool		everything;
	int32		application;
	RecountResult result = {.context = CurrentMemoryContext};
	TableOwnerSwitch caller;

	sql_signature_check(fcinfo, &signature, InvalidOid);
	PreventCommandDuringRecovery("chat.reconcile()");
	everything = PG_ARGISNULL(0);
	application = everything ? PG_INT32_MAX : PG_GETARG_INT32(0);
	(void) sql_function_result_store(fcinfo, &signature);
	caller = table_owner_become(OWNER_SEES_ALL);
	if (everything && !PG_ARGISNULL(1))
		arg_error_raise(application_not_found());
	recount_lock();
	if (!PG_ARGISNULL(1))
	{
		ChatKey		parent = {application, PG_GETARG_INT32(1)};

		chat_require(parent.application, parent.chat);
		recount_count(&parent, 1, &result);
	}
	else
	{
		ChatKey		start = {everything ? PG_INT32_MIN : application - 1, PG_INT32_MAX};

		if (!everything)
			application_require(application);
		count_all(recount_next_chats, start, application, &result);
		count_all(recount_next_applications, start, application, &result);
	}
	recount_repair(&result);
	recount_report(&result, store_repaired, fcinfo->resultinfo);
	table_owner_leave(caller);
	return (Datum) 0;
}
