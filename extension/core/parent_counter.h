/*
 * parent_counter.h
 *	  A parent's counter, locked or raised without a statement: see
 *	  parent_counter.c.
 */
#ifndef PG_CHAT_PARENT_COUNTER_H
#define PG_CHAT_PARENT_COUNTER_H

#include "storage/itemptr.h"

#include "common/keys.h"
#include "rows/row_lock.h"

extern RowResult parent_counter_hold(ChatTable table, ChatKey parent, int32 *last_number, ItemPointer tid);
extern RowResult parent_counter_raise(ChatTable table, ChatKey parent, int32 number, int added);

#endif							/* PG_CHAT_PARENT_COUNTER_H */
