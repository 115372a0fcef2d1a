/*
 * ticket.c
 *	  Tickets: short-lived credentials for URLs.
 *
 * A browser's EventSource cannot send headers, and URLs end up in logs. So a
 * client with a credential first asks for a ticket, a random text that opens
 * one stream within 30 seconds. The table has its SHA-256, and the data that
 * the server needs when the ticket is used; that may be another server than
 * the one that issued it.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "common/compat.h"
#include "common/spi_plan.h"
#include "common/tid_array.h"
#include "core/sql_function.h"

PG_FUNCTION_INFO_V1(chat_create_ticket);
PG_FUNCTION_INFO_V1(chat_use_ticket);

/*
 * chat.create_ticket(token text, digest bytea, content text) returns void
 *
 * Also deletes some expired tickets, more than one, so that they do not
 * accumulate.
 */
static Datum
create_ticket(FunctionCallInfo fcinfo, SqlFunction *function, int32 application)
{
	static SavedPlan expired = {
		.sql = "SELECT ctid FROM chat_internal.tickets WHERE expires_at < clock_timestamp()"
		" ORDER BY expires_at LIMIT 4 FOR UPDATE SKIP LOCKED"
	};
	static SavedPlan delete = TID_ARRAY_PLAN("DELETE FROM chat_internal.tickets WHERE ctid = ANY ($1)");
	static SavedPlan insert = SAVED_PLAN(
		"INSERT INTO chat_internal.tickets (application_id, digest, content)"
		" SELECT $1, $2, $3 ON CONFLICT DO NOTHING",
		INT4OID, BYTEAOID, TEXTOID);
	Datum		values[3];

	if (PG_ARGISNULL(1) || PG_ARGISNULL(2))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("digest and content of a ticket must not be null")));
	values[0] = Int32GetDatum(application);
	values[1] = PG_GETARG_DATUM(1);
	values[2] = PG_GETARG_DATUM(2);
	tid_array_write(&expired, NULL, &delete);
	spi_plan_write(&insert, values, NULL);
	PG_RETURN_VOID();
}

static SqlFunction create_ticket_function = {
	create_ticket, FUNCTION_WRITES, {SQL_ARGS(APPLICATION_ARG, BYTEAOID, TEXTOID), SQL_RETURNS(VOIDOID)}
};

Datum
chat_create_ticket(PG_FUNCTION_ARGS)
{
	return sql_function_call_by_token(fcinfo, &create_ticket_function);
}

/*
 * chat.use_ticket(token text, digest bytea) returns text
 *
 * Deletes the row: of two concurrent uses of a ticket, only one finds it.
 */
Datum
chat_use_ticket(PG_FUNCTION_ARGS)
{
	static SqlSignature signature = {SQL_ARGS(TEXTOID, BYTEAOID), SQL_RETURNS(TEXTOID)};
	static SavedPlan plan = SAVED_PLAN(
		"DELETE FROM chat_internal.tickets AS t WHERE t.application_id = $1 AND t.digest = $2"
		" RETURNING CASE WHEN t.expires_at >= clock_timestamp() THEN t.content END",
		INT4OID, BYTEAOID);
	MemoryContext result_context = CurrentMemoryContext;
	TableOwnerSwitch caller;
	Datum		values[2];
	text	   *content = NULL;
	bool		isnull = true;

	sql_signature_check(fcinfo, &signature, InvalidOid);
	caller = table_owner_become(OWNER_SEES_BY_POLICY);
	values[0] = Int32GetDatum(sql_function_application(fcinfo, TEXTOID, FUNCTION_WRITES));
	values[1] = PG_GETARG_DATUM(1);
	if (!PG_ARGISNULL(1) && spi_plan_write(&plan, values, NULL) > 0)
		content = spi_result_text(0, 1, &isnull);
	if (!isnull)
	{
		MemoryContext spi_context = MemoryContextSwitchTo(result_context);

		content = cstring_to_text_with_len(VARDATA_ANY(content), VARSIZE_ANY_EXHDR(content));
		MemoryContextSwitchTo(spi_context);
	}
	table_owner_leave(caller);
	if (isnull)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(content);
}
