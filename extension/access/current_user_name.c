/*
 * current_user_name.c
 *	  The application's user on whose behalf a session runs.
 *
 * The server of an application connects as one role, on behalf of many users
 * of its own. It names the current one with SET LOCAL pg_chat.user_name, and
 * row-level policies read it with chat.current_user_name(). Any session can
 * set it, so it is as trustworthy as the client that sends the statements.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/builtins.h"

#include "access/current_user_name.h"
#include "common/sql_signature.h"

PG_FUNCTION_INFO_V1(chat_current_user_name);

char	   *guc_user_name;

/*
 * chat.current_user_name() returns text
 */
Datum
chat_current_user_name(PG_FUNCTION_ARGS)
{
	static SqlSignature signature = {SQL_RETURNS(TEXTOID)};

	sql_signature_check(fcinfo, &signature, InvalidOid);
	if (guc_user_name == NULL || *guc_user_name == '\0')
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(guc_user_name));
}
