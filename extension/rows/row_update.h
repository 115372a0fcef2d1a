/*
 * row_update.h
 *	  A new version of a row that was found: see row_update.c.
 */
#ifndef PG_CHAT_ROW_UPDATE_H
#define PG_CHAT_ROW_UPDATE_H

#include "rows/row_lock.h"

extern TupleTableSlot *row_update_copy_found(OpenTable *table);
extern void row_update_set(OpenTable *table, int column, Datum value, bool isnull);
extern TM_Result row_update_found(RowAccess *access, OpenTable *table, const RowKey *key, TupleTableSlot *made);

#endif							/* PG_CHAT_ROW_UPDATE_H */
