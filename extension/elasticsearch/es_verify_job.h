/*
 * es_verify_job.h
 *	  Proof that the search index holds what the table holds: see es_verify_job.c.
 */
#ifndef PG_CHAT_ES_VERIFY_JOB_H
#define PG_CHAT_ES_VERIFY_JOB_H

#include "bgworker/job.h"
#include "elasticsearch/es_compare.h"

extern Job	es_verify_job;

#endif							/* PG_CHAT_ES_VERIFY_JOB_H */
