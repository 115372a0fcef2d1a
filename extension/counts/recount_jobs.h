/*
 * recount_jobs.h
 *	  The worker's jobs about counters: see recount_jobs.c.
 */
#ifndef PG_CHAT_RECOUNT_JOBS_H
#define PG_CHAT_RECOUNT_JOBS_H

#include "bgworker/job.h"

extern Job	recount_queue_job;
extern Job	recount_chats_job;
extern Job	recount_applications_job;

#endif							/* PG_CHAT_RECOUNT_JOBS_H */
