/*
 * verify.h
 *	  Proof that the search index holds what the table holds: see verify.c.
 */
#ifndef PG_CHAT_VERIFY_H
#define PG_CHAT_VERIFY_H

#include "comparison.h"
#include "duty.h"

extern bool verify_index_slice(int32 index, const char *name, MessageKey *position,
							   uint64 *differences);
extern long verify_run(Pass *pass);
extern void verify_recover(void);

#endif							/* PG_CHAT_VERIFY_H */
