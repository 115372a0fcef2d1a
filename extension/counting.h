/*
 * counting.h
 *	  The worker's duties about counts: see counting.c.
 */
#ifndef PG_CHAT_COUNTING_H
#define PG_CHAT_COUNTING_H

#include "duty.h"

extern long counting_reconcile(Pass *pass);
extern long counting_scrub_chats(Pass *pass);
extern long counting_scrub_applications(Pass *pass);

#endif							/* PG_CHAT_COUNTING_H */
