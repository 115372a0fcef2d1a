/*
 * sql_function.c
 *	  Entry into the functions of the API.
 *
 * Nearly every function takes its application first, by id or by token. What
 * it does is written once, for the id; here the one form becomes the other.
 * A body runs connected to SPI, so what it allocates ends with the call. No
 * argument is read unless the schema is of the library's version.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"

#include "common/schema_version.h"
#include "core/application.h"
#include "core/arg_error.h"
#include "core/sql_function.h"

/*
 * Call a body with the application whose id is argument 0. The id may be one
 * that does not exist: a body that finds nothing calls application_require.
 * What the body returns is passed by value or lives outside of SPI's memory.
 */
Datum
sql_function_call_by_id(FunctionCallInfo fcinfo, SqlFunctionBody body, SqlFunctionAccess access)
{
	Datum		result;

	schema_version_require();
	SPI_connect();
	if (PG_ARGISNULL(0))
		arg_error_raise(application_not_found());
	result = body(fcinfo, PG_GETARG_INT32(0));
	SPI_finish();
	return result;
}

/*
 * The same, with the application whose token is argument 0. Raises P0002 if
 * there is none.
 */
Datum
sql_function_call_by_token(FunctionCallInfo fcinfo, SqlFunctionBody body, SqlFunctionAccess access)
{
	Datum		result;

	schema_version_require();
	SPI_connect();
	if (PG_ARGISNULL(0))
		arg_error_raise(application_not_found());
	result = body(fcinfo, application_resolve_token(PG_GETARG_DATUM(0), access));
	SPI_finish();
	return result;
}

/*
 * Make the function return the rows of a store, which is empty and which the
 * caller fills. A function that is not called by the above calls this before it
 * reads an argument. Raises 0A000 if the calling query cannot take rows.
 */
RowStore
sql_function_result_store(FunctionCallInfo fcinfo)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext caller;

	schema_version_require();
	if (rsinfo == NULL || !IsA(rsinfo, ReturnSetInfo) ||
		(rsinfo->allowedModes & SFRM_Materialize) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("set-valued function called in a context that cannot accept a set")));

	caller = MemoryContextSwitchTo(rsinfo->econtext->ecxt_per_query_memory);
	rsinfo->returnMode = SFRM_Materialize;
	rsinfo->setResult = tuplestore_begin_heap(false, false, work_mem);
	rsinfo->setDesc = CreateTupleDescCopy(rsinfo->expectedDesc);
	MemoryContextSwitchTo(caller);
	return (RowStore) {rsinfo->setResult, rsinfo->setDesc};
}
