/*
 * schema_version.c
 *	  Whether the library fits the installed schema.
 *
 * A package brings a new library; ALTER EXTENSION UPDATE then brings the
 * schema that it expects. In between, and in processes that still have the
 * former library, the two do not fit: functions may be called with other
 * arguments, and tables have other columns. So a function that accesses the
 * tables does nothing unless both are of one version: that of the control
 * file, which the library was built with, and pg_extension.extversion.
 *
 * The answer is remembered until a function of the database changes. Every
 * upgrade script creates or alters one, since no cache watches the catalog
 * pg_extension itself before PostgreSQL 18. A mismatch is not remembered but
 * looked up again at each call, so that calls succeed as soon as it is
 * resolved.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_extension.h"
#include "commands/extension.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "common/schema_version.h"

/* Whether both are of one version, and no function has changed since that was seen. */
bool		schema_version_verified = false;

/* Counts the changes of functions. */
static uint64 changes = 0;

static void
on_function_change(Datum argument, int cache, uint32 hash)
{
	changes++;
	schema_version_verified = false;
}

/*
 * The installed version, or NULL if the extension does not exist. *in_script
 * becomes whether one of its scripts runs in this process.
 */
static char *
installed_version(bool *in_script)
{
	Relation	relation = table_open(ExtensionRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	char	   *version = NULL;

	*in_script = false;
	ScanKeyInit(&key, Anum_pg_extension_extname, BTEqualStrategyNumber, F_NAMEEQ, CStringGetDatum("pg_chat"));
	scan = systable_beginscan(relation, ExtensionNameIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		bool		isnull;
		Datum		value = heap_getattr(tuple, Anum_pg_extension_extversion, RelationGetDescr(relation), &isnull);

		version = TextDatumGetCString(value);
		*in_script = creating_extension &&
			CurrentExtensionObject == ((Form_pg_extension) GETSTRUCT(tuple))->oid;
	}
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
	return version;
}

/* Whether version a is later than b; both are numbers separated by dots. */
static bool
is_later(const char *a, const char *b)
{
	for (;;)
	{
		char	   *a_end;
		char	   *b_end;
		unsigned long a_part = strtoul(a, &a_end, 10);
		unsigned long b_part = strtoul(b, &b_end, 10);

		if (a_part != b_part)
			return a_part > b_part;
		if (*a_end != '.' || *b_end != '.')
			return *a_end == '.';
		a = a_end + 1;
		b = b_end + 1;
	}
}

/* The mismatch of the library with a schema of this version, NULL if there is none. */
static VersionMismatch
describe(const char *schema_version)
{
	VersionMismatch mismatch = {.schema_version = schema_version};

	if (schema_version == NULL)
	{
		mismatch.message = "the extension pg_chat is not in this database";
		mismatch.hint = "Run CREATE EXTENSION pg_chat.";
		return mismatch;
	}
	mismatch.library_older = is_later(schema_version, CHAT_VERSION);
	mismatch.message = psprintf("the library of pg_chat has version %s, and the schema in this database version %s",
								CHAT_VERSION, schema_version);
	mismatch.hint = mismatch.library_older ?
		"Reconnect or, where pg_chat is in shared_preload_libraries, restart the server, with the library of the schema's version installed." :
		"Run ALTER EXTENSION pg_chat UPDATE in this database.";
	return mismatch;
}

/*
 * Whether the library fits the schema; if not, sets *mismatch. The extension's
 * own scripts pass, since the schema is incomplete while they run. In a
 * transaction.
 */
bool
schema_version_fits(VersionMismatch *mismatch)
{
	static bool registered = false;
	uint64		before = changes;
	bool		in_script;
	char	   *version;

	if (schema_version_verified)
		return true;
	if (!registered)
	{
		CacheRegisterSyscacheCallback(PROCOID, on_function_change, (Datum) 0);
		registered = true;
	}
	version = installed_version(&in_script);
	if (in_script)
		return true;
	if (version != NULL && strcmp(version, CHAT_VERSION) == 0)
	{
		/* Not if it changed while it was read. */
		schema_version_verified = before == changes;
		return true;
	}
	*mismatch = describe(version);
	return false;
}

/*
 * Raise 55000 with the reason. Clients recognize the error by its column name,
 * extversion.
 */
void
schema_version_raise(const VersionMismatch *mismatch)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("%s", mismatch->message),
			 errhint("%s", mismatch->hint),
			 err_generic_string(PG_DIAG_COLUMN_NAME, "extversion")));
}

/* The slow path of schema_version_require(): raises 55000 unless the library fits the schema. */
void
schema_version_verify(void)
{
	VersionMismatch mismatch;

	if (!schema_version_fits(&mismatch))
		schema_version_raise(&mismatch);
}
