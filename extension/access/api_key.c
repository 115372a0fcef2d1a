/*
 * api_key.c
 *	  API keys: credentials of the REST API.
 *
 * A key is the text pgc_<id>_<secret>. The table has its SHA-256 instead of
 * the key, which is returned once, by the function that creates it. So nobody
 * who reads the table, or a dump of it, can use the keys; and since keys are
 * compared by their digests, the time of a comparison reveals nothing.
 *
 * Scopes are ordered: read, write, admin; each includes those before it. A key
 * is bound to one application, or to none: then its application_id is 0, and
 * it is valid for all of them.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

#include "common/case_fold.h"
#include "common/compat.h"
#include "common/random_hex.h"
#include "common/spi_plan.h"
#include "core/arg_error.h"
#include "core/entity_lookup.h"
#include "core/sql_function.h"

PG_FUNCTION_INFO_V1(chat_create_key);
PG_FUNCTION_INFO_V1(chat_revoke_key);
PG_FUNCTION_INFO_V1(chat_list_keys);

/* Hexadecimal digits of a key's secret: 192 bits. */
#define SECRET_LENGTH 48

/* Characters in the name of a key, at most. */
#define KEY_NAME_MAXIMUM 255

/* Attempts to find an id that is not taken. */
#define ID_ATTEMPTS 10

static const char *const scopes[] = {"read", "write", "admin"};

static void
check_name(const text *name)
{
	if (name == NULL || text_is_blank(name))
		arg_error_raise(arg_error_blank("key", "name"));
	if (pg_mbstrlen_with_len(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name)) > KEY_NAME_MAXIMUM)
		arg_error_raise(arg_error_too_long("key", "name", KEY_NAME_MAXIMUM, "characters"));
}

static void
check_scope(const char *scope)
{
	for (int i = 0; scope != NULL && i < lengthof(scopes); i++)
		if (strcmp(scope, scopes[i]) == 0)
			return;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("key scope must be read, write or admin"),
			 err_generic_string(PG_DIAG_COLUMN_NAME, "scope")));
}

static void
check_expiry(TimestampTz expires_at)
{
	if (expires_at <= GetCurrentTimestamp())
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("key expires_at must be in the future"),
				 err_generic_string(PG_DIAG_COLUMN_NAME, "expires_at")));
}

static char *
key_text(int32 id, const char *secret)
{
	return psprintf("pgc_%d_%s", id, secret);
}

/* Returns the SHA-256 of a key. */
static Datum
digest_of(const char *key)
{
	return DirectFunctionCall1(sha256_bytea, PointerGetDatum(cstring_to_text(key)));
}

/*
 * chat.create_key(name text, scope text, application integer, expires_at
 * timestamptz) returns text
 */
Datum
chat_create_key(PG_FUNCTION_ARGS)
{
	static SqlSignature signature = {SQL_ARGS(TEXTOID, TEXTOID, INT4OID, TIMESTAMPTZOID), SQL_RETURNS(TEXTOID)};
	static SavedPlan insert = SAVED_PLAN(
		"INSERT INTO chat.api_keys (application_id, id, name, scope, digest, expires_at)"
		" SELECT $1, $2, $3, $4, $5, $6"
		" WHERE NOT EXISTS (SELECT FROM chat.api_keys AS k WHERE k.id = $2) ON CONFLICT DO NOTHING",
		INT4OID, INT4OID, TEXTOID, TEXTOID, BYTEAOID, TIMESTAMPTZOID);
	TableOwnerSwitch caller;
	Datum		values[6];
	bool		expires;
	char	   *secret;
	int32		id = 0;

	sql_signature_check(fcinfo, &signature, InvalidOid);
	expires = !PG_ARGISNULL(3);
	check_name(PG_ARGISNULL(0) ? NULL : PG_GETARG_TEXT_PP(0));
	check_scope(PG_ARGISNULL(1) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(1)));
	if (expires)
		check_expiry(PG_GETARG_TIMESTAMPTZ(3));
	secret = random_hex(SECRET_LENGTH);
	values[0] = PG_ARGISNULL(2) ? Int32GetDatum(0) : PG_GETARG_DATUM(2);
	values[2] = PG_GETARG_DATUM(0);
	values[3] = PG_GETARG_DATUM(1);
	values[5] = PG_GETARG_DATUM(3);

	caller = table_owner_become(OWNER_SEES_BY_POLICY);
	if (!PG_ARGISNULL(2))
		application_require(PG_GETARG_INT32(2));
	for (int attempt = 1; id == 0; attempt++)
	{
		int32		free_id = random_id();

		values[1] = Int32GetDatum(free_id);
		values[4] = digest_of(key_text(free_id, secret));
		if (spi_plan_write(&insert, values, expires ? "      " : "     n") > 0)
			id = free_id;
		else if (attempt == ID_ATTEMPTS)
			arg_error_raise(arg_error_taken("key", "id", NULL, "Try again."));
	}
	table_owner_leave(caller);
	PG_RETURN_TEXT_P(cstring_to_text(key_text(id, secret)));
}

/*
 * chat.revoke_key(id integer) returns boolean
 */
Datum
chat_revoke_key(PG_FUNCTION_ARGS)
{
	static SqlSignature signature = {SQL_ARGS(INT4OID), SQL_RETURNS(BOOLOID)};
	static SavedPlan revoke = SAVED_PLAN(
		"WITH found AS (SELECT k.application_id, k.id, k.revoked_at FROM chat.api_keys AS k WHERE k.id = $1 FOR UPDATE),"
		" revoked AS (UPDATE chat.api_keys AS k SET revoked_at = clock_timestamp() FROM found AS f"
		" WHERE k.application_id = f.application_id AND k.id = f.id AND f.revoked_at IS NULL)"
		" SELECT f.revoked_at IS NULL FROM found AS f",
		INT4OID);
	TableOwnerSwitch caller;
	Datum		id;
	bool		revoked;

	sql_signature_check(fcinfo, &signature, InvalidOid);
	if (PG_ARGISNULL(0))
		arg_error_raise(arg_error_not_found("key", NULL, NULL));
	id = PG_GETARG_DATUM(0);
	caller = table_owner_become(OWNER_SEES_BY_POLICY);
	if (spi_plan_write(&revoke, &id, NULL) == 0)
		arg_error_raise(arg_error_not_found("key", "No key has this id.", "chat.list_keys() has their ids."));
	revoked = spi_result_bool(0, 1);
	table_owner_leave(caller);
	PG_RETURN_BOOL(revoked);
}

/*
 * chat.list_keys(application integer) returns setof record
 */
Datum
chat_list_keys(PG_FUNCTION_ARGS)
{
	static SqlSignature signature = {
		SQL_ARGS(INT4OID),
		SQL_RETURNS_ROWS(INT4OID, INT4OID, TEXTOID, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID)
	};
	static SavedPlan plan = SAVED_PLAN(
		"SELECT k.id, NULLIF(k.application_id, 0), k.name, k.scope, k.created_at, k.expires_at, k.revoked_at, k.last_used_at"
		" FROM chat.api_keys AS k WHERE $1 = 0 OR k.application_id = $1"
		" ORDER BY k.application_id, k.created_at, k.id",
		INT4OID);
	TableOwnerSwitch caller;
	RowStore	store;
	Datum		application = Int32GetDatum(0);

	sql_signature_check(fcinfo, &signature, InvalidOid);
	store = sql_function_result_store(fcinfo, &signature);
	caller = table_owner_become(OWNER_SEES_BY_POLICY);
	if (!PG_ARGISNULL(0))
	{
		application = PG_GETARG_DATUM(0);
		application_require(DatumGetInt32(application));
	}
	spi_plan_read_into(&plan, &application, store);
	table_owner_leave(caller);
	return (Datum) 0;
}
