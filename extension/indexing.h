/*
 * indexing.h
 *	  The worker's duty of keeping Elasticsearch in step: see indexing.c.
 */
#ifndef PG_CHAT_INDEXING_H
#define PG_CHAT_INDEXING_H

#include "duty.h"
#include "search_index.h"

extern long indexing_run(Pass *pass);
extern void indexing_recover(void);
extern bool indexing_may_verify(const SearchIndex *index);
extern bool indexing_wants_verification(void);
extern bool indexing_wanted(void);

#endif							/* PG_CHAT_INDEXING_H */
