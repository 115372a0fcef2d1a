/*
 * trigram_build.h
 *	  The process that builds the trigram index: see trigram_build.c.
 */
#ifndef PG_CHAT_TRIGRAM_BUILD_H
#define PG_CHAT_TRIGRAM_BUILD_H

#include "postgres.h"

/* The name of the row of chat_internal.worker_jobs with the outcome of a build. */
#define TRIGRAM_JOB "trigram index"

extern bool trigram_build_begin(void);
extern bool trigram_build_runs(void);

#endif							/* PG_CHAT_TRIGRAM_BUILD_H */
