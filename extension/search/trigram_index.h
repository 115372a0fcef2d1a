/*
 * trigram_index.h
 *	  The trigram index: see trigram_index.c.
 */
#ifndef PG_CHAT_TRIGRAM_INDEX_H
#define PG_CHAT_TRIGRAM_INDEX_H

#include "postgres.h"

#define TRIGRAM_INDEX "messages_body_trgm"

typedef enum TrigramState
{
	TRIGRAM_MISSING,
	TRIGRAM_INVALID,			/* being built, or left by a build that failed */
	TRIGRAM_VALID
} TrigramState;

extern TrigramState trigram_state(void);
extern text *trigram_pattern(const text *folded);
extern char *trigram_schema(void);

#endif							/* PG_CHAT_TRIGRAM_INDEX_H */
