/*
 * parent_counter.h
 *	  A parent's counter: see parent_counter.c.
 */
#ifndef PG_CHAT_PARENT_COUNTER_H
#define PG_CHAT_PARENT_COUNTER_H

#include "common/chat_tables.h"
#include "common/keys.h"
#include "rows/counter_row.h"

extern RowResult parent_counter_add(ChatTable table, ChatKey parent, bool wait, int *count, int32 *last_number);
extern RowResult parent_counter_hold(ChatTable table, ChatKey parent, bool wait, CounterValues *values);
extern RowResult parent_counter_change(ChatTable table, ChatKey parent, const CounterChange *change, CounterValues *values);

#endif							/* PG_CHAT_PARENT_COUNTER_H */
