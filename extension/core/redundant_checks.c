/*
 * redundant_checks.c
 *	  chat.disable_redundant_checks(): the foreign key of messages no longer
 *	  looks for the chat of each inserted message.
 *
 * The functions keep the chat's row locked, and a trigger locks it for direct
 * changes: a second lock would cost each message a lookup and a WAL record.
 * The key's actions for chats that are changed or deleted stay enabled.
 *
 * The triggers of a foreign key are enabled again by ALTER TABLE ... ENABLE
 * TRIGGER ALL, which a data-only restore runs, and by pg_upgrade. They are
 * found by their foreign key, since others may have put triggers of their own
 * on the table, which must not be touched.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"

#include "common/sql_signature.h"
#include "core/sql_commands.h"

PG_FUNCTION_INFO_V1(chat_disable_redundant_checks);

/*
 * chat.disable_redundant_checks() returns integer
 *
 * Returns how many triggers it disabled: 2, or 0 if they were disabled already.
 * Raises 42501 for a role that is not a superuser, and what ALTER TABLE raises.
 */
Datum
chat_disable_redundant_checks(PG_FUNCTION_ARGS)
{
	static SqlSignature signature = {SQL_RETURNS(INT4OID)};

	sql_signature_check(fcinfo, &signature, InvalidOid);
	PG_RETURN_INT32(sql_commands_execute(
		"SELECT pg_catalog.format('ALTER TABLE chat.messages DISABLE TRIGGER %I', t.tgname) AS command"
		" FROM pg_catalog.pg_trigger AS t JOIN pg_catalog.pg_constraint AS c ON c.oid OPERATOR(pg_catalog.=) t.tgconstraint"
		" WHERE t.tgrelid OPERATOR(pg_catalog.=) 'chat.messages'::pg_catalog.regclass"
		" AND t.tgisinternal AND t.tgenabled OPERATOR(pg_catalog.<>) 'D'"
		" AND c.conrelid OPERATOR(pg_catalog.=) t.tgrelid AND c.conname OPERATOR(pg_catalog.=) 'messages_chat_fkey'"));
}
