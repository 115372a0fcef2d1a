/*
 * row_lock.h
 *	  Rows found by their key, to be changed or locked: see row_lock.c.
 */
#ifndef PG_CHAT_ROW_LOCK_H
#define PG_CHAT_ROW_LOCK_H

#include "access/tableam.h"

#include "rows/row_lookup.h"

/* The outcome of changing or locking a row. */
typedef enum RowResult
{
	ROW_DONE,
	ROW_MISSING,				/* there is no such row */
	ROW_LOCKED,					/* another transaction has locked it, and the caller does not want
								 * to wait */
	ROW_EXHAUSTED,				/* there is no further revision */
	ROW_BY_STATEMENT			/* only a statement can do it, or has the error */
} RowResult;

extern bool row_found_is_own(OpenTable *table);
extern bool row_find(RowAccess *access, OpenTable *table, const RowKey *key);
extern bool row_find_current(RowAccess *access, OpenTable *table, const RowKey *key);
extern bool row_find_again(RowAccess *access, TM_Result result);
extern TM_Result row_lock_found(RowAccess *access, OpenTable *table, LockTupleMode mode, bool wait);
extern void row_lock_bound_waits(void);
extern RowResult row_lock(RowAccess *access, OpenTable *table, const RowKey *key, LockTupleMode mode, bool wait);

#endif							/* PG_CHAT_ROW_LOCK_H */
