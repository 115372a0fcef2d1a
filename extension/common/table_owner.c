/*
 * table_owner.c
 *	  Triggers that act with the rights of their table's owner.
 */
#include "postgres.h"

#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/guc.h"

#include "common/table_owner.h"

/*
 * Connect to SPI as the owner of the trigger's table, with a search_path that
 * nobody else can plant objects in: as a SECURITY DEFINER function with a
 * setting would do, but only where there is something to do. Declared so, the
 * triggers would take a sixth of the time of a message of the functions.
 */
TableOwnerSwitch
table_owner_become(Relation relation)
{
	TableOwnerSwitch		caller;

	GetUserIdAndSecContext(&caller.user, &caller.security_context);
	SetUserIdAndSecContext(relation->rd_rel->relowner,
						   caller.security_context | SECURITY_LOCAL_USERID_CHANGE);
	caller.nest_level = NewGUCNestLevel();
	(void) set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET,
							 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	SPI_connect();
	return caller;
}

/* Undo table_owner_become. After an error, the abort of the transaction does it. */
void
table_owner_leave(TableOwnerSwitch caller)
{
	SPI_finish();
	AtEOXact_GUC(true, caller.nest_level);
	SetUserIdAndSecContext(caller.user, caller.security_context);
}
