/*
 * current_user_name.c
 *	  The application's user that a session works for.
 *
 * An application's server connects as one role and works for many users of its own.
 * It says for which one by SET LOCAL pg_chat.user_name, and row-level policies can tell
 * by chat.current_user_name(). Anybody may set it: it is as trustworthy as whoever
 * sends the statements.
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
