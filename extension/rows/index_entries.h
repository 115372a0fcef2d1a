/*
 * index_entries.h
 *	  Index entries of rows that were written: see index_entries.c.
 */
#ifndef PG_CHAT_INDEX_ENTRIES_H
#define PG_CHAT_INDEX_ENTRIES_H

#include "rows/row_access.h"

extern void index_entries_insert(OpenTable *table, TupleTableSlot *row, bool update);

#endif							/* PG_CHAT_INDEX_ENTRIES_H */
