/*
 * es_verify_job.h
 *	  The worker's job of verifying the search index: see es_verify_job.c.
 */
#ifndef PG_CHAT_ES_VERIFY_JOB_H
#define PG_CHAT_ES_VERIFY_JOB_H

#include "bgworker/job.h"

extern Job	es_verify_job;

#endif							/* PG_CHAT_ES_VERIFY_JOB_H */
