/*
 * indexing.h
 *	  The worker's duty of keeping Elasticsearch in step: see indexing.c.
 */
#ifndef PG_CHAT_INDEXING_H
#define PG_CHAT_INDEXING_H

#include "bgworker/job.h"
#include "elasticsearch/es_index_lifecycle.h"

extern long indexing_run(Pass *pass);
extern void indexing_recover(void);
extern SearchIndex *indexing_unverified(List *indexes);
extern bool indexing_wants_verification(void);
extern bool indexing_wanted(void);

#endif							/* PG_CHAT_INDEXING_H */
