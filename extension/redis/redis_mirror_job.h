/*
 * redis_mirror_job.h
 *	  The worker's job of mirroring counters to Redis: see redis_mirror_job.c.
 */
#ifndef PG_CHAT_REDIS_MIRROR_JOB_H
#define PG_CHAT_REDIS_MIRROR_JOB_H

#include "bgworker/job.h"

extern Job	redis_mirror_job;

#endif							/* PG_CHAT_REDIS_MIRROR_JOB_H */
