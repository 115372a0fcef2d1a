/*
 * es_sync_job.h
 *	  The worker's job of keeping Elasticsearch in sync: see es_sync_job.c.
 */
#ifndef PG_CHAT_ES_SYNC_JOB_H
#define PG_CHAT_ES_SYNC_JOB_H

#include "bgworker/job.h"
#include "elasticsearch/es_index_lifecycle.h"

extern Job	es_sync_job;

extern EsIndex *es_sync_job_unverified(List *indexes);
extern bool es_sync_job_wants_verification(void);
extern void es_sync_job_note_compared(const EsIndex *index);

#endif							/* PG_CHAT_ES_SYNC_JOB_H */
