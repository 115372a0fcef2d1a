/*
 * mirror.h
 *	  The worker's duty of mirroring counters to Redis: see mirror.c.
 */
#ifndef PG_CHAT_MIRROR_H
#define PG_CHAT_MIRROR_H

#include "bgworker/job.h"

extern long mirror_run(Pass *pass);
extern void mirror_disconnect(void);
extern bool mirror_wanted(void);

#endif							/* PG_CHAT_MIRROR_H */
