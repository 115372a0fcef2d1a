/*
 * worker_start.h
 *	  How a worker is started: see worker_start.c.
 */
#ifndef PG_CHAT_WORKER_START_H
#define PG_CHAT_WORKER_START_H

#include "postgres.h"

#include "postmaster/bgworker.h"

/* As pg_stat_activity shows it in backend_type. */
#define WORKER_TYPE "pg_chat worker"

/*
 * The locks that workers hold are advisory locks of a class that SQL cannot
 * reach.
 */
#define WORKER_LOCK_KEY 0x63686174
#define WORKER_LOCK_CLASS 3

extern BackgroundWorker worker_description(Oid database);

#endif							/* PG_CHAT_WORKER_START_H */
