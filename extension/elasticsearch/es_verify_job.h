/*
 * es_verify_job.h
 *	  Proof that the search index holds what the table holds: see es_verify_job.c.
 */
#ifndef PG_CHAT_ES_VERIFY_JOB_H
#define PG_CHAT_ES_VERIFY_JOB_H

#include "bgworker/job.h"
#include "elasticsearch/es_compare.h"

extern long es_verify_job_run(JobRun *run);
extern bool es_verify_job_wanted(void);

#endif							/* PG_CHAT_ES_VERIFY_JOB_H */
