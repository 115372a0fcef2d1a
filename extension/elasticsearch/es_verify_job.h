/*
 * es_verify_job.h
 *	  The worker's job of verifying the search index: see es_verify_job.c.
 */
#ifndef PG_CHAT_ES_VERIFY_JOB_H
#define PG_CHAT_ES_VERIFY_JOB_H

#include "bgworker/job.h"

extern long es_verify_job_run(JobRun *run);
extern bool es_verify_job_wanted(void);

#endif							/* PG_CHAT_ES_VERIFY_JOB_H */
