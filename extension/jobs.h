/*
 * jobs.h
 *	  The jobs of the worker: see jobs.c.
 */
#ifndef PG_CHAT_JOBS_H
#define PG_CHAT_JOBS_H

extern void jobs_init(void);

#endif							/* PG_CHAT_JOBS_H */
