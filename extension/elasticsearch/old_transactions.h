/*
 * elders.h
 *	  Transactions that may not have seen an index: see elders.c.
 */
#ifndef PG_CHAT_ELDERS_H
#define PG_CHAT_ELDERS_H

#include "postgres.h"

extern bool elders_have_ended(int32 index, const char **problem);
extern void elders_forget(int32 index);

#endif							/* PG_CHAT_ELDERS_H */
