/*
 * worker.h
 *	  The background worker of a database: see worker.c.
 */
#ifndef PG_CHAT_WORKER_H
#define PG_CHAT_WORKER_H

#include "postgres.h"

#include "postmaster/bgworker.h"

/* As pg_stat_activity shows it in backend_type. */
#define WORKER_TYPE "pg_chat worker"

/*
 * What the locks that workers hold are called: advisory locks of a class that
 * SQL cannot reach.
 */
#define WORKER_LOCK_KEY 0x63686174
#define WORKER_LOCK_CLASS 3

extern BackgroundWorker worker_description(Oid database);
extern void worker_xact_begin_for_jobs(const char *activity);
extern void worker_xact_begin(const char *activity);
extern void worker_xact_commit(void);

#endif							/* PG_CHAT_WORKER_H */
