/*
 * jobs.h
 *	  The list of the worker's jobs: see jobs.c.
 */
#ifndef PG_CHAT_JOBS_H
#define PG_CHAT_JOBS_H

extern void jobs_init(void);

#endif							/* PG_CHAT_JOBS_H */
