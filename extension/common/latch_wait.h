/*
 * wait.h
 *	  Waiting: see wait.c.
 */
#ifndef PG_CHAT_WAIT_H
#define PG_CHAT_WAIT_H

#include "postgres.h"

#include "storage/latch.h"

extern bool wait_for(const char *what, uint32 events, pgsocket socket, long timeout_ms);

#endif							/* PG_CHAT_WAIT_H */
