/*
 * database_identity.c
 *	  Whether this database is a copy.
 *
 * Data outside of PostgreSQL, in Redis and Elasticsearch, belongs to one
 * database, the owner database. Its identity, which is the database's OID and
 * the cluster's system identifier, is recorded beside the description of that
 * data. CREATE DATABASE ... TEMPLATE copies the record; pg_dump leaves it out.
 * The identity survives renaming the database, but not pg_upgrade.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "commands/dbcommands.h"
#include "miscadmin.h"

#include "common/database_identity.h"

/* The identity of this database, in the current memory context. */
char *
database_identity_current(void)
{
	return psprintf("%u-" UINT64_FORMAT, MyDatabaseId, GetSystemIdentifier());
}

/*
 * The name of the database with this identity, if it is another database of
 * this cluster that still exists: this one is then a copy of it. Otherwise
 * NULL. In a transaction.
 */
char *
database_identity_of_original(const char *identity)
{
	char	   *end;
	Oid			database = strtoul(identity, &end, 10);

	if (database == MyDatabaseId || *end != '-' ||
		strtoull(end + 1, NULL, 10) != GetSystemIdentifier())
		return NULL;
	return get_database_name(database);
}
