/*
 * old_transactions.h
 *	  Transactions that may not have seen an index: see old_transactions.c.
 */
#ifndef PG_CHAT_OLD_TRANSACTIONS_H
#define PG_CHAT_OLD_TRANSACTIONS_H

#include "postgres.h"

extern bool old_transactions_ended(int32 index, const char **problem);
extern void old_transactions_forget(int32 index);

#endif							/* PG_CHAT_OLD_TRANSACTIONS_H */
