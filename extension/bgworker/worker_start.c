/*
 * worker_start.c
 *	  Registering a worker.
 *
 * The launcher starts workers; without one, chat.start_worker() does; and a
 * worker that must give way starts its successor.
 */
#include "postgres.h"

#include "bgworker/worker_start.h"

/* The description by which the worker of a database is registered. */
BackgroundWorker
worker_description(Oid database)
{
	BackgroundWorker worker = {
		.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION,
		.bgw_start_time = BgWorkerStart_RecoveryFinished,
		.bgw_restart_time = BGW_NEVER_RESTART,
		.bgw_main_arg = ObjectIdGetDatum(database)
	};

	strlcpy(worker.bgw_library_name, "pg_chat", BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, "pg_chat_worker_main", BGW_MAXLEN);
	strlcpy(worker.bgw_type, WORKER_TYPE, BGW_MAXLEN);
	snprintf(worker.bgw_name, BGW_MAXLEN, "pg_chat worker for database %u", database);
	return worker;
}
