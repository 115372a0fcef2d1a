/*
 * pg_chat.c
 *	  Loading of the library.
 *
 * The extension keeps applications, chats and messages in the schema chat;
 * sql/pg_chat.sql defines the tables and what a caller sees. The C code is
 * divided by noun:
 *
 *	application.c, chat.c, message.c	the functions of the API
 *	message_multi.c		those that find many messages in one call
 *	search.c		messages by what their bodies contain
 *	es_query.c	those that Elasticsearch names
 *	unindexed_ranges.c		those that it may not know yet
 *	trigram_index.c		an index for searches without it
 *	trigram_build.c	the process that builds that
 *	message_insert_direct.c	numbers and rows of new messages, without statements
 *	message_insert_spi.c	the same by statements
 *	message_batch.c		new messages, by chat
 *	write_paths.c		which of both ways is taken
 *	sql_function.c			entry into a function: its application, by id or token
 *	pagination.c			lists: after, before, limit
 *	array_args.c		array arguments
 *	arg_error.c		errors about an argument, raised or reported
 *	spi_plan.c			statements, prepared once for the session
 *	int_array.c			their parameters
 *	case_fold.c			letter case
 *
 *	plain_table.c		whether a table is as pg_chat made it
 *	chat_tables.c		the tables of chat, as they are now
 *	row_access.c		tables opened to have rows accessed without statements
 *	row_lookup.c		rows found by their key
 *	tid_cache.c			where they were found before
 *	row_lock.c			rows found to be changed or locked
 *	counter_row.c		the row that counts a parent's children
 *	row_insert.c		new rows
 *	index_entries.c		their index entries
 *
 *	triggers.c		triggers: changes by other ways than the functions
 *	number_cache.c		numbers for rows that are inserted so
 *	table_owner.c			the rights with which triggers act
 *	change_tracking.c		what a transaction changed, told to the worker
 *	search_queue.c	what a search index has to be told of
 *	recount.c		counts that are counted anew
 *
 *	launcher.c		the process that starts workers
 *	worker.c		the background worker of a database
 *	job.c			what a worker does again and again
 *	recount_jobs.c		its jobs about counts
 *	change_subscribers.c			changes, handed to the jobs that want them
 *	chat_key_queue.c	chats that wait for something
 *
 *	redis_mirror_job.c		the job of mirroring counters to Redis
 *	redis_keys.c	their keys and values
 *	redis_key_cleanup.c		keys that are to go
 *	redis_connection.c, redis_tls.c	a connection to Redis
 *
 *	es_sync_job.c		the job of keeping Elasticsearch in step
 *	es_index_lifecycle.c	the life of an index there
 *	es_mapping.c	whether it is as it was created
 *	old_transactions.c		transactions that may not have seen it
 *	es_batch.c			what it is fed with, in batches
 *	es_document.c		a message as it is there
 *	es_bulk.c			sending a batch
 *	es_batch_ack.c		what became of it
 *	es_seq_no.c	whether the index saw what was done to it, and nothing else
 *	es_verify_job.c		proof that the search index holds what the table holds
 *	es_compare.c	the two, compared
 *	es_scan.c		documents of a range of keys
 *	es_client.c	requests to Elasticsearch, and its answers
 *	http_client.c			their way there
 *	circuit_breaker.c		whether to ask Elasticsearch, after it failed
 *	dns_resolve.c		addresses of hosts
 *	secret_file.c		secrets, in files
 *	latch_wait.c			waiting
 *	database_identity.c			whether this database is a copy of another
 *	shmem.c		what the processes tell each other
 *	utility_hook.c			commands that need the worker to leave, or to come
 *
 *	guc.c		pg_chat.*
 *	api_role.c			the role chat_api
 *	compat.h, .c	differences between versions of PostgreSQL
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"

#include "bgworker/launcher.h"
#include "bgworker/utility_hook.h"
#include "changes/change_tracking.h"
#include "changes/search_queue.h"
#include "changes/shmem.h"
#include "core/number_cache.h"
#include "core/triggers.h"
#include "guc.h"
#include "rows/chat_tables.h"

PG_MODULE_MAGIC;

void		_PG_init(void);

void
_PG_init(void)
{
	guc_init();
	change_tracking_init();
	number_cache_init();
	triggers_init();
	search_queue_init();
	chat_tables_init();
	if (process_shared_preload_libraries_in_progress)
	{
		shmem_init();
		utility_hook_init();
		/* What pg_upgrade copies must hold still. */
		if (!IsBinaryUpgrade)
			launcher_register();
	}
}
