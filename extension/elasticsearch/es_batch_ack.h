/*
 * outcome.h
 *	  What became of a batch: see outcome.c.
 */
#ifndef PG_CHAT_OUTCOME_H
#define PG_CHAT_OUTCOME_H

#include "elasticsearch/es_batch.h"

extern uint64 outcome_note(Feed *feed, Batch *batch);

#endif							/* PG_CHAT_OUTCOME_H */
