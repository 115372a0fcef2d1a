/*
 * credential_check.c
 *	  Queries of servers such as chatd about credentials that clients
 *	  present.
 *
 * Servers ask about many at a time, by arrays of equal length, and cache the
 * answers for a second at most. The credential itself is never sent here: a
 * key is replaced by its digest, and a token that an application signed is
 * verified by the server.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/array.h"

#include "common/spi_plan.h"
#include "common/tid_array.h"
#include "core/message_multi.h"
#include "core/sql_function.h"

PG_FUNCTION_INFO_V1(chat_check_keys);
PG_FUNCTION_INFO_V1(chat_note_key_use);
PG_FUNCTION_INFO_V1(chat_get_verification_keys);
PG_FUNCTION_INFO_V1(chat_get_tokens);

/* Return the rows that a statement finds for the items of arrays. Items with a null have none. */
static Datum
find_items(FunctionCallInfo fcinfo, SqlSignature *signature, SavedPlan *plan)
{
	TableOwnerSwitch caller;
	RowStore	store;
	Datum		values[SPI_PLAN_MAX_ARGS];

	sql_signature_check(fcinfo, signature, InvalidOid);
	store = sql_function_result_store(fcinfo, signature);
	for (int i = 0; i < signature->nargs; i++)
	{
		if (PG_ARGISNULL(i))
			return (Datum) 0;
		values[i] = PG_GETARG_DATUM(i);
	}
	caller = table_owner_become(OWNER_SEES_BY_POLICY);
	spi_plan_read_into(plan, values, store);
	table_owner_leave(caller);
	return (Datum) 0;
}

/*
 * chat.check_keys(digests bytea[], ids integer[]) returns setof record
 *
 * The id only selects the row; the digest decides.
 */
Datum
chat_check_keys(PG_FUNCTION_ARGS)
{
	static SqlSignature signature = {
		SQL_ARGS(BYTEAARRAYOID, INT4ARRAYOID), SQL_RETURNS_ROWS(INT4OID, INT4OID, TEXTOID, TEXTOID)
	};
	static SavedPlan plan = SAVED_PLAN(
		"SELECT i.item::int4, k.application_id, t.token, k.scope"
		" FROM ROWS FROM (unnest($1), unnest($2)) WITH ORDINALITY AS i (digest, id, item)"
		JOIN_ONE("SELECT api_keys.application_id, api_keys.scope FROM chat.api_keys"
				 " WHERE api_keys.id = i.id AND api_keys.digest = i.digest AND api_keys.revoked_at IS NULL"
				 " AND (api_keys.expires_at IS NULL OR api_keys.expires_at > clock_timestamp())", "k")
		" LEFT" JOIN_ONE("SELECT applications.token FROM chat.applications WHERE applications.id = k.application_id", "t")
		" ORDER BY i.item",
		BYTEAARRAYOID, INT4ARRAYOID);

	return find_items(fcinfo, &signature, &plan);
}

/*
 * chat.get_verification_keys(tokens text[], kids text[]) returns setof record
 */
Datum
chat_get_verification_keys(PG_FUNCTION_ARGS)
{
	static SqlSignature signature = {
		SQL_ARGS(TEXTARRAYOID, TEXTARRAYOID), SQL_RETURNS_ROWS(INT4OID, INT4OID, TEXTOID, BYTEAOID)
	};
	static SavedPlan plan = SAVED_PLAN(
		"SELECT i.item::int4, a.id, k.algorithm, k.material"
		" FROM ROWS FROM (unnest($1), unnest($2)) WITH ORDINALITY AS i (token, kid, item)"
		JOIN_ONE("SELECT applications.id FROM chat.applications WHERE applications.token = i.token", "a")
		JOIN_ONE("SELECT signing_keys.algorithm, signing_keys.material FROM chat_internal.signing_keys"
				 " WHERE signing_keys.application_id = a.id AND signing_keys.kid = i.kid", "k")
		" ORDER BY i.item",
		TEXTARRAYOID, TEXTARRAYOID);

	return find_items(fcinfo, &signature, &plan);
}

/*
 * chat.get_tokens(applications integer[]) returns setof record
 */
Datum
chat_get_tokens(PG_FUNCTION_ARGS)
{
	static SqlSignature signature = {SQL_ARGS(INT4ARRAYOID), SQL_RETURNS_ROWS(INT4OID, TEXTOID)};
	static SavedPlan plan = SAVED_PLAN(
		"SELECT i.item::int4, a.token FROM unnest($1) WITH ORDINALITY AS i (application, item)"
		JOIN_ONE("SELECT applications.token FROM chat.applications WHERE applications.id = i.application", "a")
		" ORDER BY i.item",
		INT4ARRAYOID);

	return find_items(fcinfo, &signature, &plan);
}

/*
 * chat.note_key_use(ids integer[]) returns void
 *
 * Several servers may report the same keys at the same time: locked rows are
 * skipped, and so are keys that were reported within the last minute.
 */
Datum
chat_note_key_use(PG_FUNCTION_ARGS)
{
	static SqlSignature signature = {SQL_ARGS(INT4ARRAYOID), SQL_RETURNS(VOIDOID)};
	static SavedPlan lock = SAVED_PLAN(
		"SELECT k.ctid FROM unnest($1) AS i (id),"
		" LATERAL (SELECT api_keys.ctid FROM chat.api_keys WHERE api_keys.id = i.id"
		" AND (api_keys.last_used_at IS NULL OR api_keys.last_used_at < clock_timestamp() - interval '1 minute')"
		" FOR NO KEY UPDATE SKIP LOCKED) AS k",
		INT4ARRAYOID);
	static SavedPlan update = TID_ARRAY_PLAN("UPDATE chat.api_keys SET last_used_at = clock_timestamp() WHERE ctid = ANY ($1)");
	TableOwnerSwitch caller;
	Datum		ids;

	sql_signature_check(fcinfo, &signature, InvalidOid);
	if (PG_ARGISNULL(0))
		PG_RETURN_VOID();
	ids = PG_GETARG_DATUM(0);
	caller = table_owner_become(OWNER_SEES_BY_POLICY);
	tid_array_write(&lock, &ids, &update);
	table_owner_leave(caller);
	PG_RETURN_VOID();
}
