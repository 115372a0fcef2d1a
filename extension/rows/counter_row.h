/*
 * counter_row.h
 *	  The row that counts a parent's children: see counter_row.c.
 */
#ifndef PG_CHAT_COUNTER_ROW_H
#define PG_CHAT_COUNTER_ROW_H

#include "rows/row_lock.h"

extern RowResult counter_row_add(RowAccess *access, OpenTable *table, const RowKey *key, bool wait,
								 int *count, int32 *last_number);
extern RowResult counter_row_hold(RowAccess *access, OpenTable *table, const RowKey *key, bool wait,
								  int32 *last_number);
extern RowResult counter_row_raise(RowAccess *access, OpenTable *table, const RowKey *key,
								   int32 number, int added);

#endif							/* PG_CHAT_COUNTER_ROW_H */
