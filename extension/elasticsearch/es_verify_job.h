/*
 * verify.h
 *	  Proof that the search index holds what the table holds: see verify.c.
 */
#ifndef PG_CHAT_VERIFY_H
#define PG_CHAT_VERIFY_H

#include "bgworker/job.h"
#include "elasticsearch/es_compare.h"

extern long verify_run(Pass *pass);
extern bool verify_wanted(void);

#endif							/* PG_CHAT_VERIFY_H */
