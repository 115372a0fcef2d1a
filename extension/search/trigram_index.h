/*
 * trigram_index.h
 *	  The search index of PostgreSQL alone: see trigram_index.c.
 */
#ifndef PG_CHAT_TRIGRAM_INDEX_H
#define PG_CHAT_TRIGRAM_INDEX_H

#include "postgres.h"

#define TRIGRAM_INDEX "messages_body_trgm"

/* The row of chat_internal.worker_jobs that tells what became of a build. */
#define TRIGRAM_JOB "trigram index"

typedef enum TrigramState
{
	TRIGRAM_MISSING,
	TRIGRAM_INVALID,			/* being built, or left by a build that failed */
	TRIGRAM_VALID
} TrigramState;

extern TrigramState trigram_state(void);
extern text *trigram_pattern(const text *folded);
extern char *trigram_schema(void);

extern bool trigram_build_begin(void);
extern bool trigram_build_runs(void);

#endif							/* PG_CHAT_TRIGRAM_INDEX_H */
