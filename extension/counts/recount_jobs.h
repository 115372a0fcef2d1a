/*
 * counting.h
 *	  The worker's duties about counts: see counting.c.
 */
#ifndef PG_CHAT_COUNTING_H
#define PG_CHAT_COUNTING_H

#include "bgworker/job.h"

extern uint64 counting_scrub_share(const char *table);
extern long counting_reconcile(Pass *pass);
extern long counting_scrub_chats(Pass *pass);
extern long counting_scrub_applications(Pass *pass);

#endif							/* PG_CHAT_COUNTING_H */
