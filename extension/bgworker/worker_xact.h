/*
 * worker_xact.h
 *	  Transactions of a background worker: see worker_xact.c.
 */
#ifndef PG_CHAT_WORKER_XACT_H
#define PG_CHAT_WORKER_XACT_H

#include "postgres.h"

extern void worker_xact_fix_settings(void);
extern void worker_xact_begin_for_jobs(const char *activity);
extern void worker_xact_begin(const char *activity);
extern void worker_xact_limit(int timeout_ms);
extern void worker_xact_commit(void);
extern void worker_xact_abort(MemoryContext context);

#endif							/* PG_CHAT_WORKER_XACT_H */
