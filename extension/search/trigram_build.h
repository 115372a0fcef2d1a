/*
 * trigram_build.h
 *	  The process that builds the trigram index: see trigram_build.c.
 */
#ifndef PG_CHAT_TRIGRAM_BUILD_H
#define PG_CHAT_TRIGRAM_BUILD_H

#include "postgres.h"

/* The row of chat_internal.worker_jobs that tells what became of a build. */
#define TRIGRAM_JOB "trigram index"

extern bool trigram_build_begin(void);
extern bool trigram_build_runs(void);

#endif							/* PG_CHAT_TRIGRAM_BUILD_H */
