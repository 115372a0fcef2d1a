/*
 * redis_mirror_job.h
 *	  The worker's job of mirroring counters to Redis: see redis_mirror_job.c.
 */
#ifndef PG_CHAT_REDIS_MIRROR_JOB_H
#define PG_CHAT_REDIS_MIRROR_JOB_H

#include "bgworker/job.h"

extern long redis_mirror_job_run(JobRun *run);
extern void redis_mirror_job_disconnect(void);
extern bool redis_mirror_job_wanted(void);

#endif							/* PG_CHAT_REDIS_MIRROR_JOB_H */
