/*
 * sql_function.c
 *	  Entry into the functions of the API.
 *
 * Nearly every function takes its application first, by id or by token. Its
 * body is written once, for the id; here the one form is turned into the
 * other.
 *
 * EXECUTE on a function decides who may call it. It accesses the tables as
 * their owner: see table_owner.c. The memory that a body allocates is freed
 * with the call, since the body runs connected to SPI.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"

#include "core/arg_error.h"
#include "core/entity_lookup.h"
#include "core/sql_function.h"

/*
 * The id of the application that argument 0 names: by its id, if
 * application_type is integer, or by its token, if it is text. Raises P0002 for
 * null, and for a token that no application has. An id need not exist: a
 * function that finds nothing calls application_require().
 */
int32
sql_function_application(FunctionCallInfo fcinfo, Oid application_type, SqlFunctionAccess access)
{
	if (PG_ARGISNULL(0))
		arg_error_raise(application_not_found());
	if (application_type == INT4OID)
		return PG_GETARG_INT32(0);
	return application_resolve_token(PG_GETARG_DATUM(0), access == FUNCTION_WRITES || access == FUNCTION_WRITES_ALL);
}

static Datum
call(FunctionCallInfo fcinfo, SqlFunction *function, Oid application_type)
{
	TableOwnerSwitch caller;
	int32		application;
	Datum		result;

	sql_signature_check(fcinfo, &function->signature, application_type);
	caller = table_owner_become(OWNER_SEES_BY_POLICY);
	application = sql_function_application(fcinfo, application_type, function->access);
	if (function->access == FUNCTION_READS_ALL || function->access == FUNCTION_WRITES_ALL)
		table_owner_see_all();
	result = function->body(fcinfo, function, application);
	table_owner_leave(caller);
	return result;
}

/*
 * Call a function whose argument 0 is an application's id. The result of its
 * body must be passed by value, or allocated outside of SPI's memory.
 */
Datum
sql_function_call_by_id(FunctionCallInfo fcinfo, SqlFunction *function)
{
	return call(fcinfo, function, INT4OID);
}

/* Call a function whose argument 0 is an application's token, likewise. */
Datum
sql_function_call_by_token(FunctionCallInfo fcinfo, SqlFunction *function)
{
	return call(fcinfo, function, TEXTOID);
}

/*
 * Make the function return the rows of a store, which is empty and which the
 * caller fills. Raises 0A000 if the calling query cannot take rows, and 42804
 * if they are not to be those of the signature.
 */
RowStore
sql_function_result_store(FunctionCallInfo fcinfo, const SqlSignature *signature)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext caller;

	if (rsinfo == NULL || !IsA(rsinfo, ReturnSetInfo) ||
		(rsinfo->allowedModes & SFRM_Materialize) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("set-valued function called in a context that cannot accept a set")));
	sql_signature_check_row(signature, rsinfo->expectedDesc);

	caller = MemoryContextSwitchTo(rsinfo->econtext->ecxt_per_query_memory);
	rsinfo->returnMode = SFRM_Materialize;
	/* A cursor may fetch backward. */
	rsinfo->setResult = tuplestore_begin_heap((rsinfo->allowedModes & SFRM_Materialize_Random) != 0, false, work_mem);
	rsinfo->setDesc = CreateTupleDescCopy(rsinfo->expectedDesc);
	MemoryContextSwitchTo(caller);
	return (RowStore) {rsinfo->setResult, rsinfo->setDesc};
}

/*
 * Make a function without arguments return the rows of a statement, which is
 * executed as the tables' owner. Raises as sql_function_result_store() does.
 */
Datum
sql_function_rows(FunctionCallInfo fcinfo, SqlSignature *signature, SavedPlan *plan, OwnerSight sight)
{
	RowStore	store;
	TableOwnerSwitch caller;

	sql_signature_check(fcinfo, signature, InvalidOid);
	store = sql_function_result_store(fcinfo, signature);
	caller = table_owner_become(sight);
	spi_plan_read_into(plan, NULL, store);
	table_owner_leave(caller);
	return (Datum) 0;
}
