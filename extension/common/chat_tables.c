/*
 * chat_tables.c
 *	  The extension's tables and their one owner.
 *
 * The extension accesses its tables as their owner (see table_owner.c), so
 * they must all belong to one role: a statement that reads one table and
 * writes another cannot have the rights of two. The owner need not be a
 * superuser, but must be able to use the schemas and to execute the functions
 * that statements and indexes call.
 *
 * The result of a lookup is kept until the catalogs change. A table that is
 * missing, because it was renamed, is skipped here: the statement that names
 * it fails by itself.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "common/chat_tables.h"
#include "common/compat.h"

static const struct
{
	const char *schema;
	const char *name;
}			tables[CHAT_TABLES] = {
	[TABLE_APPLICATIONS] = {"chat", "applications"},
	[TABLE_APPLICATION_COUNTERS] = {"chat", "application_counters"},
	[TABLE_CHATS] = {"chat", "chats"},
	[TABLE_MESSAGES] = {"chat", "messages"},
	[TABLE_REPAIRED_COUNTS] = {"chat", "repaired_counts"},
	[TABLE_DELETED_MESSAGES] = {"chat_internal", "deleted_messages"},
	[TABLE_RECOUNT_QUEUE] = {"chat_internal", "recount_queue"},
	[TABLE_REDIS_KEY_QUEUE] = {"chat_internal", "redis_key_queue"},
	[TABLE_SEARCH_INDEXES] = {"chat_internal", "search_indexes"},
	[TABLE_SEARCH_WATERMARKS] = {"chat_internal", "search_watermarks"},
	[TABLE_SEARCH_QUEUE] = {"chat_internal", "search_queue"},
	[TABLE_WORKER_JOBS] = {"chat_internal", "worker_jobs"},
	[TABLE_API_KEYS] = {"chat", "api_keys"},
	[TABLE_SIGNING_KEYS] = {"chat_internal", "signing_keys"},
	[TABLE_TICKETS] = {"chat_internal", "tickets"},
	[TABLE_CURSORS] = {"chat", "cursors"},
	[TABLE_CONSUMER_POSITIONS] = {"chat", "consumer_positions"}
};

static const char *const schemas[] = {"chat", "chat_internal"};

/* Functions that statements and indexes execute with the owner's rights. */
static const struct
{
	const char *schema;
	const char *name;
	int			nargs;
	Oid			args[4];
}			functions[] = {
	{"chat", "fold", 1, {TEXTOID}},
	{"chat", "contains", 2, {TEXTOID, TEXTOID}},
	{"chat_internal", "search_checksum", 4, {INT4OID, INT4OID, INT4OID, TEXTOID}}
};

/* OIDs of the tables; InvalidOid if there is no relation with the name. */
static Oid	oids[CHAT_TABLES];
static bool oids_valid = false;

/* The owner of all tables; InvalidOid: yet to be looked up. */
static Oid	owner = InvalidOid;

/* Whether the catalogs changed since this was last reset. */
static bool changed = false;

static void
invalidate(Datum argument, int cache, uint32 hash)
{
	oids_valid = false;
	owner = InvalidOid;
	changed = true;
}

/*
 * Register for changes of the catalogs. Called once, when the library is
 * loaded.
 */
void
chat_tables_init(void)
{
	CacheRegisterSyscacheCallback(RELOID, invalidate, (Datum) 0);
	CacheRegisterSyscacheCallback(NAMESPACEOID, invalidate, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHOID, invalidate, (Datum) 0);
}

static void
look_up(void)
{
	/* Set first: a change during the lookup makes the cache invalid again. */
	oids_valid = true;
	for (int i = 0; i < CHAT_TABLES; i++)
	{
		Oid			schema = get_namespace_oid(tables[i].schema, true);

		oids[i] = OidIsValid(schema) ? get_relname_relid(tables[i].name, schema) : InvalidOid;
	}
}

/* The OID of a table, or of the relation that has its name; InvalidOid if there is none. */
Oid
chat_table_oid(ChatTable table)
{
	while (!oids_valid)
		look_up();
	return oids[table];
}

/*
 * The owner of one table. Raises 42P01 if it is missing.
 */
Oid
chat_table_owner(ChatTable table)
{
	Oid			oid = chat_table_oid(table);
	HeapTuple	tuple = OidIsValid(oid) ? SearchSysCache1(RELOID, ObjectIdGetDatum(oid)) : NULL;
	Oid			result;

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation \"%s.%s\" does not exist", tables[table].schema, tables[table].name)));
	result = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	return result;
}

static char *
role_name(Oid role)
{
	char	   *name = GetUserNameFromId(role, true);

	return name == NULL ? psprintf("%u", role) : (char *) quote_identifier(name);
}

/* Raise 42501 unless the owner may use the schemas and execute the functions. */
static void
require_privileges(Oid role)
{
	for (int i = 0; i < lengthof(schemas); i++)
	{
		Oid			schema = get_namespace_oid(schemas[i], true);

		if (OidIsValid(schema) && compat_schema_aclcheck(schema, role, ACL_USAGE) != ACLCHECK_OK)
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					 errmsg("the owner of pg_chat's tables, %s, may not use schema %s", role_name(role), schemas[i]),
					 errhint("ALTER SCHEMA %s OWNER TO %s.", schemas[i], role_name(role))));
	}
	for (int i = 0; i < lengthof(functions); i++)
	{
		Oid			function =
		GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid, CStringGetDatum(functions[i].name),
						PointerGetDatum(buildoidvector(functions[i].args, functions[i].nargs)),
						ObjectIdGetDatum(get_namespace_oid(functions[i].schema, true)));

		if (OidIsValid(function) && compat_function_aclcheck(function, role, ACL_EXECUTE) != ACLCHECK_OK)
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					 errmsg("the owner of pg_chat's tables, %s, may not execute function %s.%s",
							role_name(role), functions[i].schema, functions[i].name),
					 errhint("GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA %s TO %s.", functions[i].schema, role_name(role))));
	}
}

/*
 * Raise 55000 if row-level security hides rows of a table in chat_internal from
 * its owner: queued rows must not be taken for absent.
 */
static void
require_sight(ChatTable table, Oid role)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(oids[table]));
	bool		forced;

	if (!HeapTupleIsValid(tuple))
		return;
	forced = ((Form_pg_class) GETSTRUCT(tuple))->relrowsecurity &&
		((Form_pg_class) GETSTRUCT(tuple))->relforcerowsecurity;
	ReleaseSysCache(tuple);
	if (forced && !has_bypassrls_privilege(role))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("row-level security is forced on %s.%s, which pg_chat must see whole",
						tables[table].schema, tables[table].name),
				 errhint("ALTER TABLE %s.%s NO FORCE ROW LEVEL SECURITY.",
						 tables[table].schema, tables[table].name)));
}

static Oid
find_owner(void)
{
	Oid			found = InvalidOid;
	int			first = 0;

	for (int i = 0; i < CHAT_TABLES; i++)
	{
		Oid			table_owner;

		if (!OidIsValid(chat_table_oid(i)))
			continue;
		table_owner = chat_table_owner(i);
		if (!OidIsValid(found))
		{
			found = table_owner;
			first = i;
		}
		else if (table_owner != found)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("the tables of pg_chat have different owners"),
					 errdetail("%s.%s belongs to %s, and %s.%s to %s.",
							   tables[first].schema, tables[first].name, role_name(found),
							   tables[i].schema, tables[i].name, role_name(table_owner)),
					 errhint("Give all of them one owner: ALTER TABLE %s.%s OWNER TO %s, or the other way round.",
							 tables[i].schema, tables[i].name, role_name(found))));
		if (strcmp(tables[i].schema, "chat_internal") == 0)
			require_sight(i, found);
	}
	if (!OidIsValid(found))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("the tables of pg_chat do not exist"),
				 errhint("CREATE EXTENSION pg_chat.")));
	require_privileges(found);
	return found;
}

/*
 * The owner of all tables. Raises 55000 if they have more than one, and 42501
 * if that role lacks the rights that it needs.
 */
Oid
chat_tables_owner(void)
{
	while (!OidIsValid(owner))
	{
		Oid			found;

		changed = false;
		found = find_owner();
		if (!changed)
			owner = found;
	}
	return owner;
}
