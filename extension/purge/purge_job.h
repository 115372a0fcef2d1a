/*
 * purge_job.h
 *	  The worker's job that purges what was deleted: see purge_job.c.
 */
#ifndef PG_CHAT_PURGE_JOB_H
#define PG_CHAT_PURGE_JOB_H

#include "bgworker/job.h"

extern Job	purge_job;

#endif							/* PG_CHAT_PURGE_JOB_H */
