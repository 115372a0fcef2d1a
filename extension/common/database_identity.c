/*
 * database_identity.c
 *	  Whether this database is a copy.
 *
 * What is kept outside, in Redis and Elasticsearch, is one database's. A note of
 * its home stands beside the description of what is kept there: the database and
 * its cluster. CREATE DATABASE ... TEMPLATE copies the note; pg_dump leaves it
 * out. The home outlives a change of the database's name, not pg_upgrade.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "commands/dbcommands.h"
#include "miscadmin.h"

#include "common/database_identity.h"

/* The home of this database, in the current memory context. */
char *
database_identity_current(void)
{
	return psprintf("%u-" UINT64_FORMAT, MyDatabaseId, GetSystemIdentifier());
}

/*
 * The name of the database that a home is of, if it is another one of this
 * cluster, and still there: this one is its copy. Otherwise NULL. In a
 * transaction.
 */
char *
database_identity_of_original(const char *home)
{
	char	   *end;
	Oid			database = strtoul(home, &end, 10);

	if (database == MyDatabaseId || *end != '-' ||
		strtoull(end + 1, NULL, 10) != GetSystemIdentifier())
		return NULL;
	return get_database_name(database);
}
