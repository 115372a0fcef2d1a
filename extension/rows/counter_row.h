/*
 * counter_row.h
 *	  The row that counts a parent's children: see counter_row.c.
 */
#ifndef PG_CHAT_COUNTER_ROW_H
#define PG_CHAT_COUNTER_ROW_H

#include "rows/row_lock.h"

/* What is given on under the row's lock. */
typedef struct CounterValues
{
	int32		last_number;
	int32		last_revision;	/* 0 of an application */
} CounterValues;

/* A change of a row: its highest number and last revision become at least so much. */
typedef struct CounterChange
{
	int32		number;
	int32		revision;
	int			revisions;		/* then so many more */
	int			children;		/* so many more, or fewer */
} CounterChange;

extern RowResult counter_row_add(RowAccess *access, OpenTable *table, const RowKey *key, bool wait,
								 int *count, int32 *last_number);
extern bool counter_row_look(RowAccess *access, OpenTable *table, const RowKey *key, CounterValues *values);
extern void counter_row_take_back(RowAccess *access, OpenTable *table, const RowKey *key, int count);
extern RowResult counter_row_hold(RowAccess *access, OpenTable *table, const RowKey *key, bool wait,
								  CounterValues *values);
extern RowResult counter_row_change(RowAccess *access, OpenTable *table, const RowKey *key,
									const CounterChange *change, CounterValues *values);

#endif							/* PG_CHAT_COUNTER_ROW_H */
