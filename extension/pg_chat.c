/*
 * pg_chat.c
 *	  Loading of the library.
 *
 * The extension keeps applications, chats and messages in the schema chat;
 * sql/pg_chat.sql defines the tables and what a caller sees. The C code is
 * divided by noun:
 *
 *	application.c, chat.c, message.c	the functions of the API
 *	lookup.c		those that find many messages in one call
 *	search.c		messages by what their bodies contain
 *	candidates.c	those that Elasticsearch names
 *	pending.c		those that it may not know yet
 *	trigram.c		an index for searches without it
 *	trigram_build.c	the process that builds that
 *	allocation.c	numbers and rows of new messages
 *	api.c			entry into a function: its application, by id or token
 *	page.c			lists: after, before, limit
 *	column.c		array arguments
 *	problem.c		errors about an argument, raised or reported
 *	plan.c			statements, prepared once for the session
 *	array.c			their parameters
 *	fold.c			letter case
 *
 *	direct.c		triggers: changes by other ways than the functions
 *	counter.c		numbers for rows that are inserted so
 *	owner.c			the rights with which triggers act
 *	changes.c		what a transaction changed, told to the worker
 *	search_queue.c	what a search index has to be told of
 *	reconcile.c		counts that are counted anew
 *
 *	launcher.c		the process that starts workers
 *	worker.c		the background worker of a database
 *	duty.c			what a worker does again and again
 *	counting.c		its duties about counts
 *	inbox.c			changes, handed to the duties that want them
 *	chat_queue.c	chats that wait for something
 *
 *	mirror.c		the duty of mirroring counters to Redis
 *	redis_counter.c	their keys and values
 *	retired.c		keys that are to go
 *	redis.c, redis_tls.c	a connection to Redis
 *
 *	indexing.c		the duty of keeping Elasticsearch in step
 *	search_index.c	the life of an index there
 *	index_form.c	whether it is as it was created
 *	elders.c		transactions that may not have seen it
 *	feed.c			what it is fed with, in batches
 *	document.c		a message as it is there
 *	bulk.c			sending a batch
 *	outcome.c		what became of it
 *	operations.c	whether the index saw what was done to it, and nothing else
 *	verify.c		proof that the search index holds what the table holds
 *	comparison.c	the two, compared
 *	key_range.c		documents of a range of keys
 *	elasticsearch.c	requests to Elasticsearch, and its answers
 *	http.c			their way there
 *	breaker.c		whether to ask Elasticsearch, after it failed
 *	resolve.c		addresses of hosts
 *	secret.c		secrets, in files
 *	wait.c			waiting
 *	home.c			whether this database is a copy of another
 *	shared.c		what the processes tell each other
 *	hooks.c			commands that need the worker to leave, or to come
 *
 *	settings.c		pg_chat.*
 *	role.c			the role chat_api
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

PG_MODULE_MAGIC;

void		_PG_init(void);

void
_PG_init(void)
{
	settings_define();
	changes_define();
	counter_define();
	direct_define();
	search_queue_define();
	if (process_shared_preload_libraries_in_progress)
	{
		shared_define();
		hooks_define();
		/* What pg_upgrade copies must hold still. */
		if (!IsBinaryUpgrade)
			launcher_register();
	}
}
