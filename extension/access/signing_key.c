/*
 * signing_key.c
 *	  Signing keys, with which an application vouches for its users.
 *
 * The application's own server signs a token (JWT, RFC 7519) for each of its
 * users; a server that verifies tokens needs the key. Within its application,
 * a key has a name, kid, which tokens contain, and one algorithm: a token with
 * another algorithm is refused. HS256 signs and verifies with one secret,
 * which is generated here and returned once; of ES256 and EdDSA only the
 * public key is stored.
 *
 * An application may have several keys: to replace one, add the new one, sign
 * with it, and revoke the old one when its last token has expired.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/builtins.h"

#include "access/public_key.h"
#include "common/random_hex.h"
#include "common/spi_plan.h"
#include "core/arg_error.h"
#include "core/entity_lookup.h"
#include "core/sql_function.h"

PG_FUNCTION_INFO_V1(chat_create_signing_key);
PG_FUNCTION_INFO_V1(chat_register_public_key);
PG_FUNCTION_INFO_V1(chat_revoke_signing_key);
PG_FUNCTION_INFO_V1(chat_list_signing_keys);

/*
 * Hexadecimal digits of a secret: 256 bits, as HS256 requires. The key consists
 * of the digits themselves.
 */
#define SECRET_LENGTH 64

/* Hexadecimal digits of a generated kid, and the maximum length of a given one. */
#define KID_LENGTH 16
#define KID_MAXIMUM 64

/* Returns the kid in argument n, or a generated one. */
static text *
kid_argument(FunctionCallInfo fcinfo, int n)
{
	char	   *kid;

	if (PG_ARGISNULL(n))
		return cstring_to_text(random_hex(KID_LENGTH));
	kid = text_to_cstring(PG_GETARG_TEXT_PP(n));
	if (*kid == '\0' || strlen(kid) > KID_MAXIMUM ||
		strspn(kid, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") != strlen(kid))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("kid must be 1 to %d letters, digits, dots, hyphens or underscores of ASCII", KID_MAXIMUM),
				 err_generic_string(PG_DIAG_COLUMN_NAME, "kid")));
	return PG_GETARG_TEXT_PP(n);
}

/*
 * Add a key to the application, argument 0. Raises P0002 if there is none,
 * 23505 if it already has a key with this kid.
 */
static void
add_key(FunctionCallInfo fcinfo, const text *kid, const char *algorithm, const void *material)
{
	static SavedPlan insert = SAVED_PLAN(
		"INSERT INTO chat_internal.signing_keys (application_id, kid, algorithm, material)"
		" VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
		INT4OID, TEXTOID, TEXTOID, BYTEAOID);
	TableOwnerSwitch caller;
	Datum		values[4];

	if (PG_ARGISNULL(0))
		arg_error_raise(application_not_found());
	values[0] = PG_GETARG_DATUM(0);
	values[1] = PointerGetDatum(kid);
	values[2] = CStringGetTextDatum(algorithm);
	values[3] = PointerGetDatum(material);
	caller = table_owner_become(OWNER_SEES_BY_POLICY);
	application_require(PG_GETARG_INT32(0));
	if (spi_plan_write(&insert, values, NULL) == 0)
		arg_error_raise(arg_error_taken("signing key", "kid", NULL, "Name another, or none."));
	table_owner_leave(caller);
}

/*
 * chat.create_signing_key(application integer, INOUT kid text, OUT secret text)
 */
Datum
chat_create_signing_key(PG_FUNCTION_ARGS)
{
	static SqlSignature signature = {SQL_ARGS(INT4OID, TEXTOID), SQL_RETURNS_ROW(TEXTOID, TEXTOID)};
	TupleDesc	descriptor;
	Datum		values[2];
	bool		nulls[2] = {false, false};
	text	   *kid;
	text	   *secret;

	sql_signature_check(fcinfo, &signature, InvalidOid);
	descriptor = sql_signature_row(fcinfo, &signature);
	kid = kid_argument(fcinfo, 1);
	secret = cstring_to_text(random_hex(SECRET_LENGTH));
	/* The key consists of the bytes of the text; text and bytea have the same layout. */
	add_key(fcinfo, kid, "HS256", secret);
	values[0] = PointerGetDatum(kid);
	values[1] = PointerGetDatum(secret);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(descriptor, values, nulls)));
}

/*
 * chat.register_public_key(application integer, public_key text, kid text)
 * returns text
 */
Datum
chat_register_public_key(PG_FUNCTION_ARGS)
{
	static SqlSignature signature = {SQL_ARGS(INT4OID, TEXTOID, TEXTOID), SQL_RETURNS(TEXTOID)};
	PublicKey	key;
	text	   *kid;

	sql_signature_check(fcinfo, &signature, InvalidOid);
	kid = kid_argument(fcinfo, 2);
	key = public_key_parse(PG_ARGISNULL(1) ? NULL : PG_GETARG_TEXT_PP(1));
	add_key(fcinfo, kid, key.algorithm, key.der);
	PG_RETURN_TEXT_P(kid);
}

/*
 * chat.revoke_signing_key(application integer, kid text) returns boolean
 *
 * Deletes the row, with the secret.
 */
Datum
chat_revoke_signing_key(PG_FUNCTION_ARGS)
{
	static SqlSignature signature = {SQL_ARGS(INT4OID, TEXTOID), SQL_RETURNS(BOOLOID)};
	static SavedPlan remove = SAVED_PLAN(
		"DELETE FROM chat_internal.signing_keys AS k WHERE k.application_id = $1 AND k.kid = $2",
		INT4OID, TEXTOID);
	TableOwnerSwitch caller;
	Datum		values[2];
	bool		removed;

	sql_signature_check(fcinfo, &signature, InvalidOid);
	if (PG_ARGISNULL(0))
		arg_error_raise(application_not_found());
	if (PG_ARGISNULL(1))
		PG_RETURN_BOOL(false);
	values[0] = PG_GETARG_DATUM(0);
	values[1] = PG_GETARG_DATUM(1);
	caller = table_owner_become(OWNER_SEES_BY_POLICY);
	application_require(PG_GETARG_INT32(0));
	removed = spi_plan_write(&remove, values, NULL) > 0;
	table_owner_leave(caller);
	PG_RETURN_BOOL(removed);
}

/*
 * chat.list_signing_keys(application integer) returns setof record
 */
Datum
chat_list_signing_keys(PG_FUNCTION_ARGS)
{
	static SqlSignature signature = {
		SQL_ARGS(INT4OID), SQL_RETURNS_ROWS(INT4OID, TEXTOID, TEXTOID, TIMESTAMPTZOID)
	};
	static SavedPlan plan = SAVED_PLAN(
		"SELECT k.application_id, k.kid, k.algorithm, k.created_at"
		" FROM chat_internal.signing_keys AS k WHERE $1 = 0 OR k.application_id = $1"
		" ORDER BY k.application_id, k.created_at, k.kid",
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
