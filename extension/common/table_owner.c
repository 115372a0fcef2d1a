/*
 * table_owner.c
 *	  Acting as the tables' owner.
 *
 * EXECUTE on a function decides who may call it. Functions and triggers then
 * access the tables with the rights of their owner, and never with those of
 * the caller or of the role that created the extension: the owner, and roles
 * with the privilege TRIGGER, may have put code of their own on the tables.
 * Triggers, defaults, CHECK constraints, policies, index expressions, rules, a
 * view in the place of a table: all of that runs with the owner's rights at
 * most.
 *
 * Rights alone are not enough if the owner is neither a superuser nor the
 * caller. Such code must leave nothing behind that runs later with other
 * rights. So it runs in a security-restricted operation, in which PostgreSQL
 * allows no temporary tables, no cursors WITH HOLD, and no triggers deferred
 * to the commit; and settings that it changes are restored.
 *
 * The search_path has no schema in which others could plant objects.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/guc.h"
#include "utils/rls.h"

#include "common/chat_tables.h"
#include "common/table_owner.h"

#define SEARCH_PATH "pg_catalog, pg_temp"

static void
set_locally(const char *name, const char *value)
{
	(void) set_config_option(name, value, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
}

/*
 * Have statements fail with 42501 from now on if they cannot see all rows, until
 * table_owner_leave().
 */
void
table_owner_see_all(void)
{
	if (row_security)
		set_locally("row_security", "off");
}

static TableOwnerSwitch
become(Oid owner, OwnerSight sight)
{
	TableOwnerSwitch caller;

	GetUserIdAndSecContext(&caller.user, &caller.security_context);
	caller.restricted = owner != caller.user && !superuser_arg(owner);
	if (owner != caller.user)
		SetUserIdAndSecContext(owner, caller.security_context | SECURITY_LOCAL_USERID_CHANGE |
							   (caller.restricted ? SECURITY_RESTRICTED_OPERATION : 0));

	caller.nest_level = NewGUCNestLevel();
	if (strcmp(namespace_search_path, SEARCH_PATH) != 0)
		set_locally("search_path", SEARCH_PATH);
	if (sight == OWNER_SEES_ALL)
		table_owner_see_all();
	SPI_connect();
	return caller;
}

/*
 * Connect to SPI as the owner of the tables. Returns what table_owner_leave()
 * is to restore. Raises 55000 if the tables have more than one owner.
 *
 * After an error, the abort of the (sub)transaction restores user and settings.
 * Calls may be nested.
 */
TableOwnerSwitch
table_owner_become(OwnerSight sight)
{
	return become(chat_tables_owner(), sight);
}

/*
 * The same as the owner of one table, for statements that access no other: they
 * work even if the tables have several owners.
 */
TableOwnerSwitch
table_owner_become_of(ChatTable table, OwnerSight sight)
{
	return become(chat_table_owner(table), sight);
}

/* Disconnect from SPI, and restore user and settings. */
void
table_owner_leave(TableOwnerSwitch caller)
{
	SPI_finish();
	AtEOXact_GUC(!caller.restricted, caller.nest_level);
	SetUserIdAndSecContext(caller.user, caller.security_context);
}
