/*
 * pg_chat.c
 *	  Loading of the library.
 *
 * The extension keeps applications, chats and messages in the schema chat;
 * sql/pg_chat.sql defines the tables and the functions for callers. README.md
 * beside this file has the map of the folders, and each folder has its own.
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"

#include "bgworker/launcher.h"
#include "bgworker/utility_hook.h"
#include "changes/change_tracking.h"
#include "changes/search_queue.h"
#include "changes/shmem.h"
#include "common/chat_tables.h"
#include "common/request_label.h"
#include "common/sql_signature.h"
#include "core/number_cache.h"
#include "core/row_triggers.h"
#include "core/statement_triggers.h"
#include "guc.h"
#include "jobs.h"
#include "rows/known_tables.h"

PG_MODULE_MAGIC;

void		_PG_init(void);

void
_PG_init(void)
{
	guc_init();
	request_label_init();
	chat_tables_init();
	sql_signature_init();
	known_tables_init();
	change_tracking_init();
	number_cache_init();
	row_triggers_init();
	statement_triggers_init();
	search_queue_init();
	jobs_init();
	if (process_shared_preload_libraries_in_progress)
	{
		shmem_init();
		utility_hook_init();
		/* No worker during pg_upgrade, which copies the files: nothing may change them. */
		if (!IsBinaryUpgrade)
			launcher_register();
	}
}
