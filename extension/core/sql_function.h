/*
 * sql_function.h
 *	  Entry into the functions of the API: see sql_function.c.
 */
#ifndef PG_CHAT_SQL_FUNCTION_H
#define PG_CHAT_SQL_FUNCTION_H

#include "postgres.h"

#include "fmgr.h"

#include "common/spi_plan.h"

/* What a function does, once its application is known. */
typedef Datum (*SqlFunctionBody) (FunctionCallInfo fcinfo, int32 application);

/* Whether a function only reads: then it sees the calling query's snapshot. */
typedef enum SqlFunctionAccess
{
	FUNCTION_READS,
	FUNCTION_WRITES
} SqlFunctionAccess;

extern Datum sql_function_call_by_id(FunctionCallInfo fcinfo, SqlFunctionBody body, SqlFunctionAccess access);
extern Datum sql_function_call_by_token(FunctionCallInfo fcinfo, SqlFunctionBody body, SqlFunctionAccess access);
extern RowStore sql_function_result_store(FunctionCallInfo fcinfo);

/*
 * Defines the two forms of a function of the API, chat_<name>_by_id and
 * chat_<name>_by_token. The function's body follows the macro.
 */
#define SQL_FUNCTION(name, access) \
	static Datum name(FunctionCallInfo fcinfo, int32 application); \
	PG_FUNCTION_INFO_V1(chat_##name##_by_id); \
	PG_FUNCTION_INFO_V1(chat_##name##_by_token); \
	Datum chat_##name##_by_id(PG_FUNCTION_ARGS) \
	{ \
		return sql_function_call_by_id(fcinfo, name, access); \
	} \
	Datum chat_##name##_by_token(PG_FUNCTION_ARGS) \
	{ \
		return sql_function_call_by_token(fcinfo, name, access); \
	} \
	static Datum name(FunctionCallInfo fcinfo, int32 application)

/*
 * The same for a function that writes, and that bool direct(fcinfo, by_token,
 * &result) may do without statements. It returns false if they have to do it,
 * or have the error; then the body does it.
 */
#define SQL_FUNCTION_DIRECT(name, direct) \
	static Datum name(FunctionCallInfo fcinfo, int32 application); \
	PG_FUNCTION_INFO_V1(chat_##name##_by_id); \
	PG_FUNCTION_INFO_V1(chat_##name##_by_token); \
	Datum chat_##name##_by_id(PG_FUNCTION_ARGS) \
	{ \
		Datum		result; \
		if (direct(fcinfo, false, &result)) \
			return result; \
		return sql_function_call_by_id(fcinfo, name, FUNCTION_WRITES); \
	} \
	Datum chat_##name##_by_token(PG_FUNCTION_ARGS) \
	{ \
		Datum		result; \
		if (direct(fcinfo, true, &result)) \
			return result; \
		return sql_function_call_by_token(fcinfo, name, FUNCTION_WRITES); \
	} \
	static Datum name(FunctionCallInfo fcinfo, int32 application)

#endif							/* PG_CHAT_SQL_FUNCTION_H */
