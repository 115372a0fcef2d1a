/*
 * worker.h
 *	  The background worker of a database: see worker.c.
 */
#ifndef PG_CHAT_WORKER_H
#define PG_CHAT_WORKER_H

#include "postgres.h"

#include "bgworker/job.h"

extern void worker_set_jobs(Job *const *jobs, int count);
extern bool worker_do_other_job(void);

#endif							/* PG_CHAT_WORKER_H */
