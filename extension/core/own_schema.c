/*
 * own_schema.c
 *	  The owner of the schema chat_internal.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/syscache.h"

#include "common/sql_signature.h"

PG_FUNCTION_INFO_V1(chat_own_schema);

/*
 * chat_internal.own_schema() returns void
 *
 * Gives the schema chat_internal to the owner of the schema chat: an upgrade
 * that creates it may be run by another superuser than the one that created
 * the extension. In C, since a script cannot name a role that it has to look
 * up without depending on a procedural language.
 */
Datum
chat_own_schema(PG_FUNCTION_ARGS)
{
	static SqlSignature signature = {SQL_RETURNS(VOIDOID), .any_version = true};
	HeapTuple	tuple;
	Oid			owner;

	sql_signature_check(fcinfo, &signature, InvalidOid);
	tuple = SearchSysCache1(NAMESPACEOID, ObjectIdGetDatum(get_namespace_oid("chat", false)));
	owner = ((Form_pg_namespace) GETSTRUCT(tuple))->nspowner;
	ReleaseSysCache(tuple);
	if (owner == GetUserId())
		PG_RETURN_VOID();
	SPI_connect();
	if (SPI_execute(psprintf("ALTER SCHEMA chat_internal OWNER TO %s",
							 quote_identifier(GetUserNameFromId(owner, false))), false, 0) != SPI_OK_UTILITY)
		elog(ERROR, "could not change the owner of the schema chat_internal");
	SPI_finish();
	PG_RETURN_VOID();
}
