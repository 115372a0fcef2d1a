/*
 * own_objects.c
 *	  The owners of objects that an upgrade creates.
 *
 * An upgrade may be run by another superuser than the one who created the
 * extension. The objects that it creates are then given to the owner of the
 * existing ones. In C, since a script cannot look up the name of a role
 * without depending on a procedural language.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"

#include "common/sql_signature.h"
#include "core/sql_commands.h"

PG_FUNCTION_INFO_V1(chat_own_schema);
PG_FUNCTION_INFO_V1(chat_own_tables);
PG_FUNCTION_INFO_V1(chat_own_functions);

/*
 * chat_internal.own_schema() returns void
 *
 * Gives the schema chat_internal to the owner of the schema chat, and USAGE on
 * it to the owner of the tables, which are moved there.
 */
Datum
chat_own_schema(PG_FUNCTION_ARGS)
{
	static SqlSignature signature = {SQL_RETURNS(VOIDOID), .any_version = true};

	sql_signature_check(fcinfo, &signature, InvalidOid);
	sql_commands_execute("SELECT pg_catalog.format('ALTER SCHEMA chat_internal OWNER TO %s', nspowner::pg_catalog.regrole) AS command"
						 " FROM pg_catalog.pg_namespace WHERE nspname OPERATOR(pg_catalog.=) 'chat'");
	sql_commands_execute("SELECT pg_catalog.format('GRANT USAGE ON SCHEMA chat_internal TO %s', relowner::pg_catalog.regrole) AS command"
						 " FROM pg_catalog.pg_class WHERE oid OPERATOR(pg_catalog.=) 'chat.worker_duties'::pg_catalog.regclass"
						 " AND NOT pg_catalog.has_schema_privilege(relowner, 'chat_internal', 'USAGE')");
	PG_RETURN_VOID();
}

/*
 * chat_internal.own_tables() returns void
 *
 * Gives the tables in the schema chat_internal to the owner of chat.messages.
 */
Datum
chat_own_tables(PG_FUNCTION_ARGS)
{
	static SqlSignature signature = {SQL_RETURNS(VOIDOID), .any_version = true};

	sql_signature_check(fcinfo, &signature, InvalidOid);
	sql_commands_execute("SELECT pg_catalog.format('ALTER TYPE %s OWNER TO %s', c.reltype::pg_catalog.regtype, f.proowner::pg_catalog.regrole) AS command"
						 " FROM pg_catalog.pg_class AS c, pg_catalog.pg_proc AS f"
						 " WHERE c.relnamespace OPERATOR(pg_catalog.=) 'chat_internal'::pg_catalog.regnamespace"
						 " AND c.relkind OPERATOR(pg_catalog.=) 'c'"
						 " AND f.oid OPERATOR(pg_catalog.=) 'chat.fold(pg_catalog.text)'::pg_catalog.regprocedure"
						 " AND c.relowner OPERATOR(pg_catalog.<>) f.proowner");
	sql_commands_execute("SELECT pg_catalog.format('ALTER TABLE %s OWNER TO %s', t.oid::pg_catalog.regclass, m.relowner::pg_catalog.regrole) AS command"
						 " FROM pg_catalog.pg_class AS t, pg_catalog.pg_class AS m"
						 " WHERE t.relnamespace OPERATOR(pg_catalog.=) 'chat_internal'::pg_catalog.regnamespace"
						 " AND t.relkind OPERATOR(pg_catalog.=) 'r'"
						 " AND m.oid OPERATOR(pg_catalog.=) 'chat.messages'::pg_catalog.regclass"
						 " AND t.relowner OPERATOR(pg_catalog.<>) m.relowner");
	PG_RETURN_VOID();
}

/*
 * chat_internal.own_functions() returns void
 *
 * Gives the functions, procedures and composite types in the schema chat_internal to the owner
 * of chat.fold(), and the tables there to that of chat.applications.
 */
Datum
chat_own_functions(PG_FUNCTION_ARGS)
{
	static SqlSignature signature = {SQL_RETURNS(VOIDOID), .any_version = true};

	sql_signature_check(fcinfo, &signature, InvalidOid);
	sql_commands_execute("SELECT pg_catalog.format('ALTER ROUTINE %s OWNER TO %s', p.oid::pg_catalog.regprocedure, f.proowner::pg_catalog.regrole) AS command"
						 " FROM pg_catalog.pg_proc AS p, pg_catalog.pg_proc AS f"
						 " WHERE p.pronamespace OPERATOR(pg_catalog.=) 'chat_internal'::pg_catalog.regnamespace"
						 " AND f.oid OPERATOR(pg_catalog.=) 'chat.fold(pg_catalog.text)'::pg_catalog.regprocedure"
						 " AND p.proowner OPERATOR(pg_catalog.<>) f.proowner");
	sql_commands_execute("SELECT pg_catalog.format('ALTER TABLE %s OWNER TO %s', c.oid::pg_catalog.regclass, a.relowner::pg_catalog.regrole) AS command"
						 " FROM pg_catalog.pg_class AS c, pg_catalog.pg_class AS a"
						 " WHERE c.relnamespace OPERATOR(pg_catalog.=) 'chat_internal'::pg_catalog.regnamespace"
						 " AND c.relkind OPERATOR(pg_catalog.=) 'r'"
						 " AND a.oid OPERATOR(pg_catalog.=) 'chat.applications'::pg_catalog.regclass"
						 " AND c.relowner OPERATOR(pg_catalog.<>) a.relowner");
	PG_RETURN_VOID();
}
