/*
 * api.h
 *	  Entry into the functions of the API: see api.c.
 */
#ifndef PG_CHAT_API_H
#define PG_CHAT_API_H

#include "postgres.h"

#include "fmgr.h"

#include "common/spi_plan.h"

/* What a function does, once its application is known. */
typedef Datum (*ApiBody) (FunctionCallInfo fcinfo, int32 application);

/* Whether a function only reads: then it sees the calling query's snapshot. */
typedef enum ApiAccess
{
	API_READS,
	API_WRITES
} ApiAccess;

extern Datum api_call_by_id(FunctionCallInfo fcinfo, ApiBody body, ApiAccess access);
extern Datum api_call_by_token(FunctionCallInfo fcinfo, ApiBody body, ApiAccess access);
extern RowStore api_result_store(FunctionCallInfo fcinfo);

/*
 * Defines the two forms of a function of the API, chat_<name>_by_id and
 * chat_<name>_by_token. The function's body follows the macro.
 */
#define API_FUNCTION(name, access) \
	static Datum name(FunctionCallInfo fcinfo, int32 application); \
	PG_FUNCTION_INFO_V1(chat_##name##_by_id); \
	PG_FUNCTION_INFO_V1(chat_##name##_by_token); \
	Datum chat_##name##_by_id(PG_FUNCTION_ARGS) \
	{ \
		return api_call_by_id(fcinfo, name, access); \
	} \
	Datum chat_##name##_by_token(PG_FUNCTION_ARGS) \
	{ \
		return api_call_by_token(fcinfo, name, access); \
	} \
	static Datum name(FunctionCallInfo fcinfo, int32 application)

#endif							/* PG_CHAT_API_H */
