/*
 * sql_function.h
 *	  Entry into the functions of the API: see sql_function.c.
 */
#ifndef PG_CHAT_SQL_FUNCTION_H
#define PG_CHAT_SQL_FUNCTION_H

#include "postgres.h"

#include "fmgr.h"

#include "common/spi_plan.h"
#include "common/sql_signature.h"
#include "common/table_owner.h"

/*
 * Whether a function only reads: it then uses the calling query's snapshot; and
 * whether row-level security may hide rows from it. It may not if what the
 * function copies or removes must be all there is: then it fails with 42501.
 */
typedef enum SqlFunctionAccess
{
	FUNCTION_READS,
	FUNCTION_WRITES,
	FUNCTION_READS_ALL,
	FUNCTION_WRITES_ALL
} SqlFunctionAccess;

/*
 * A function of the API with its application as argument 0, in two forms: by
 * id, an integer, and by token, a text.
 *
 * body implements the function, given the application. It runs as the tables'
 * owner, connected to SPI.
 */
typedef struct SqlFunction
{
	Datum		(*body) (FunctionCallInfo fcinfo, struct SqlFunction *function, int32 application);
	SqlFunctionAccess access;
	SqlSignature signature;
} SqlFunction;

extern int32 sql_function_application(FunctionCallInfo fcinfo, Oid application_type, SqlFunctionAccess access);
extern Datum sql_function_call_by_id(FunctionCallInfo fcinfo, SqlFunction *function);
extern Datum sql_function_call_by_token(FunctionCallInfo fcinfo, SqlFunction *function);
extern RowStore sql_function_result_store(FunctionCallInfo fcinfo, const SqlSignature *signature);
extern Datum sql_function_rows(FunctionCallInfo fcinfo, SqlSignature *signature, SavedPlan *plan, OwnerSight sight);

#endif							/* PG_CHAT_SQL_FUNCTION_H */
