/*
 * redundant_checks.c
 *	  chat.disable_redundant_checks: the foreign key of messages does not look for
 *	  the chat of each inserted message.
 *
 * The functions hold the chat's row locked, and a trigger locks it for others:
 * a second lock would cost each message a lookup and a WAL record. The key's
 * actions for chats that are changed or deleted stay on.
 *
 * The triggers of a foreign key are enabled again by ALTER TABLE ... ENABLE
 * TRIGGER ALL, as a restore of data alone gives it, and by pg_upgrade. They are
 * found by the key that they are of, since others may have put theirs on the
 * table, which are not to be touched.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"

#include "common/spi_plan.h"
#include "common/sql_signature.h"

PG_FUNCTION_INFO_V1(chat_disable_redundant_checks);

/*
 * chat.disable_redundant_checks() returns integer
 *
 * Returns how many triggers were enabled: 2, or 0 if they were disabled. Raises
 * 42501 for a role that is no superuser, and what ALTER TABLE raises.
 */
Datum
chat_disable_redundant_checks(PG_FUNCTION_ARGS)
{
	static SqlSignature signature = {SQL_RETURNS(INT4OID)};
	static SavedPlan plan = {
		.sql = "SELECT pg_catalog.format('ALTER TABLE chat.messages DISABLE TRIGGER %I', t.tgname) AS command"
		" FROM pg_catalog.pg_trigger AS t JOIN pg_catalog.pg_constraint AS c ON c.oid OPERATOR(pg_catalog.=) t.tgconstraint"
		" WHERE t.tgrelid OPERATOR(pg_catalog.=) 'chat.messages'::pg_catalog.regclass"
		" AND t.tgisinternal AND t.tgenabled OPERATOR(pg_catalog.<>) 'D'"
		" AND c.conrelid OPERATOR(pg_catalog.=) t.tgrelid AND c.conname OPERATOR(pg_catalog.=) 'messages_chat_fkey'"
	};
	SPITupleTable *commands;
	uint64		count;

	sql_signature_check(fcinfo, &signature, InvalidOid);
	SPI_connect();
	count = spi_plan_read_fresh(&plan, NULL);
	commands = SPI_tuptable;
	for (uint64 i = 0; i < count; i++)
	{
		const char *command = SPI_getvalue(commands->vals[i], commands->tupdesc, 1);

		if (SPI_execute(command, false, 0) != SPI_OK_UTILITY)
			elog(ERROR, "could not execute: %s", command);
	}
	SPI_finish();
	PG_RETURN_INT32(count);
}
