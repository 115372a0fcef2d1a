/*
 * row_access.h
 *	  Tables opened to have their rows accessed: see row_access.c.
 */
#ifndef PG_CHAT_ROW_ACCESS_H
#define PG_CHAT_ROW_ACCESS_H

#include "postgres.h"

#include "access/genam.h"
#include "executor/tuptable.h"
#include "storage/block.h"
#include "storage/lockdefs.h"
#include "utils/snapshot.h"

#include "rows/known_tables.h"

/* A table in use, with resources that are created on demand. */
typedef struct OpenTable
{
	ChatTable	which;
	const PlainTable *plain;
	LOCKMODE	lock;
	Relation	relation;		/* NULL: not in use */
	Relation	indexes[PLAIN_INDEXES_MAX];
	IndexScanDesc scans[PLAIN_KEYS_MAX];
	TupleTableSlot *found;		/* a row that was looked up */
	TupleTableSlot *made;		/* a row that is written */
	BlockNumber blocks;			/* its minimum size while in use; 0: unknown */
	EState	   *estate;			/* to evaluate expressions of indexes */
	IndexInfo  *infos[PLAIN_INDEXES_MAX];	/* of indexes that are written */
} OpenTable;

/* The resources of one call. */
typedef struct RowAccess
{
	CommandId	command;
	Snapshot	snapshot;		/* for lookups */
	bool		fresh;			/* the snapshot was taken by this call */
	int			refreshes;		/* snapshots that this call took before it */
	OpenTable	tables[KNOWN_TABLES];
} RowAccess;

/* The operations of a call on each table; bits by RowOperation. */
typedef struct RowUses
{
	uint8		tables[KNOWN_TABLES];
} RowUses;

#define ROW_USE(operation) (1 << (operation))

extern bool row_access_begin(RowAccess *access, RowUses uses);
extern bool row_access_begin_reading(RowAccess *access, RowUses uses);
extern void row_access_refresh(RowAccess *access);
extern void row_access_next_command(RowAccess *access);
extern void row_access_end(RowAccess *access);
extern Relation row_access_index(OpenTable *table, int index);
extern TupleTableSlot *row_access_found(OpenTable *table);
extern TupleTableSlot *row_access_made(OpenTable *table);

#endif							/* PG_CHAT_ROW_ACCESS_H */
