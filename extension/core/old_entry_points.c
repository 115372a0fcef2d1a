/*
 * old_entry_points.c
 *	  Functions of former releases that the library no longer has.
 *
 * Between the installation of this library and ALTER EXTENSION UPDATE, the
 * schema still names them, and so does the former release's installation
 * script, from which upgrades begin. They raise the error of every function on
 * a schema of another version.
 */
#include "postgres.h"

#include "fmgr.h"

#include "common/schema_version.h"

static Datum
refuse(void)
{
	schema_version_require();
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_FUNCTION),
			 errmsg("this version of pg_chat does not have this function"),
			 errhint("CREATE EXTENSION creates those that it has.")));
}

/* Defines a function by its C name. */
#define OLD_ENTRY_POINT(name) \
	PG_FUNCTION_INFO_V1(name); \
	Datum name(PG_FUNCTION_ARGS) \
	{ \
		return refuse(); \
	}

/* Of 0.1. */
OLD_ENTRY_POINT(chat_add_search_index)
OLD_ENTRY_POINT(chat_drop_search_index)
OLD_ENTRY_POINT(chat_retry_parked)
OLD_ENTRY_POINT(chat_worker_process)
OLD_ENTRY_POINT(chat_before_update_chats)
OLD_ENTRY_POINT(chat_before_update_application_counters)
