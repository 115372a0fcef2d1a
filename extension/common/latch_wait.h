/*
 * latch_wait.h
 *	  Waiting: see latch_wait.c.
 */
#ifndef PG_CHAT_LATCH_WAIT_H
#define PG_CHAT_LATCH_WAIT_H

#include "postgres.h"

#include "storage/latch.h"

extern bool latch_wait(const char *what, uint32 events, pgsocket socket, long timeout_ms);

#endif							/* PG_CHAT_LATCH_WAIT_H */
