/*
 * es_sync_job.h
 *	  The worker's job of keeping Elasticsearch in sync: see es_sync_job.c.
 */
#ifndef PG_CHAT_ES_SYNC_JOB_H
#define PG_CHAT_ES_SYNC_JOB_H

#include "bgworker/job.h"

extern Job	es_sync_job;

#endif							/* PG_CHAT_ES_SYNC_JOB_H */
