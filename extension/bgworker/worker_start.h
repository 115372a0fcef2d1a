/*
 * worker_start.h
 *	  Registering a worker: see worker_start.c.
 */
#ifndef PG_CHAT_WORKER_START_H
#define PG_CHAT_WORKER_START_H

#include "postgres.h"

#include "postmaster/bgworker.h"

/* The backend_type in pg_stat_activity. */
#define WORKER_TYPE "pg_chat worker"

/* Workers hold an advisory lock, of a class that SQL cannot reach. */
#define WORKER_LOCK_KEY 0x63686174
#define WORKER_LOCK_CLASS 3

extern BackgroundWorker worker_description(Oid database);

#endif							/* PG_CHAT_WORKER_START_H */
