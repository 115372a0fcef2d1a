/*
 * recount_parts.h
 *	  A parent whose children are counted in parts: see recount_parts.c.
 */
#ifndef PG_CHAT_RECOUNT_PARTS_H
#define PG_CHAT_RECOUNT_PARTS_H

#include "bgworker/job.h"

/* Whether a parent is being counted in parts. */
extern bool recount_parts_are_under_way(void);

/* Whether it is this one. */
extern bool recount_parts_are_of(ChatKey parent);
extern void recount_parts_begin(ChatKey parent, JobRun *run);
extern void recount_parts_go_on(long budget_ms, JobRun *run);
extern ChatKey recount_parts_give_up(void);

#endif							/* PG_CHAT_RECOUNT_PARTS_H */
