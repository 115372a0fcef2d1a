/*
 * recount_jobs.h
 *	  The worker's jobs about counts: see recount_jobs.c.
 */
#ifndef PG_CHAT_RECOUNT_JOBS_H
#define PG_CHAT_RECOUNT_JOBS_H

#include "bgworker/job.h"

extern uint64 scrub_share(const char *table);
extern long recount_job_reconcile(JobRun *run);
extern long recount_job_scrub_chats(JobRun *run);
extern long recount_job_scrub_applications(JobRun *run);

#endif							/* PG_CHAT_RECOUNT_JOBS_H */
