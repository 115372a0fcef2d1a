/*
 * plain_table.h
 *	  Whether a table is as pg_chat made it: see plain_table.c.
 */
#ifndef PG_CHAT_PLAIN_TABLE_H
#define PG_CHAT_PLAIN_TABLE_H

#include "postgres.h"

#include "access/attnum.h"
#include "nodes/execnodes.h"
#include "utils/rel.h"

#define PLAIN_COLUMNS_MAX 12
#define PLAIN_KEYS_MAX 2
#define PLAIN_KEY_COLUMNS_MAX 3
#define PLAIN_INDEXES_MAX 8

/* Operations on rows. */
typedef enum RowOperation
{
	ROW_READ,
	ROW_REFERENCE,				/* locked, to stay while a row refers to it */
	ROW_UPDATE,					/* of columns that are in no key */
	ROW_INSERT
} RowOperation;

#define ROW_OPERATIONS 4

/* The value of a column in a new row, if the statement that inserts it leaves the column out. */
typedef enum ColumnDefault
{
	DEFAULT_GIVEN,				/* it does not leave it out */
	DEFAULT_NULL,
	DEFAULT_ZERO,
	DEFAULT_CLOCK				/* clock_timestamp() */
} ColumnDefault;

/* A table as pg_chat made it. */
typedef struct TableShape
{
	const char *name;			/* in schema chat */
	int			columns_count;
	struct
	{
		const char *name;
		Oid			type;
		ColumnDefault inserted;
		bool		updated;	/* ROW_UPDATE changes it */
		bool		nullable;	/* it may be null, and is where it is not said */
	}			columns[PLAIN_COLUMNS_MAX];
	/* Unique keys that rows are looked up by: places of columns, then -1. */
	int			keys_count;
	int			keys[PLAIN_KEYS_MAX][PLAIN_KEY_COLUMNS_MAX + 1];
	const char *parent;			/* the table that its first column refers to, whose key is its
								 * first; or NULL */
} TableShape;

typedef struct PlainIndex
{
	Oid			oid;
	IndexInfo  *info;
	bool		updated;		/* ROW_UPDATE changes a column of it */
	AttrNumber	condition;		/* of a partial index: rows that are in it have a value in this
								 * column; else 0 */
} PlainIndex;

/* The description of a table. If there is an obstacle, the rest may be missing. */
typedef struct PlainTable
{
	Oid			oid;
	AttrNumber	columns[PLAIN_COLUMNS_MAX]; /* where the shape's are */
	int			keys[PLAIN_KEYS_MAX];	/* the indexes of the shape's keys, by their place in
										 * indexes */
	int			indexes_count;
	PlainIndex	indexes[PLAIN_INDEXES_MAX];
	TupleDesc	short_row;		/* of new rows without values in the columns after its own; NULL:
								 * they have all columns */
	const char *obstacles[ROW_OPERATIONS];	/* why it is not done without a statement; NULL: it is */
} PlainTable;

extern void plain_table_clear(PlainTable *table, const char *obstacle);
extern void plain_table_examine(PlainTable *table, const TableShape *shape, Relation relation);

#endif							/* PG_CHAT_PLAIN_TABLE_H */
