/*
 * es_compare_table.h
 *	  The table's side of a comparison with a search index: see es_compare_table.c.
 */
#ifndef PG_CHAT_ES_COMPARE_TABLE_H
#define PG_CHAT_ES_COMPARE_TABLE_H

#include "elasticsearch/es_scan.h"

/* The checksums of a message that does not exist, and of one that cannot be indexed. */
#define CHECKSUM_NONE (-1)
#define CHECKSUM_UNKNOWN (-2)

/* The index to compare with, and the way the caller reads. */
typedef struct TableAccess
{
	int32		index;			/* id of the index whose pending messages are read */
	bool		in_worker;		/* each read has a transaction of its own; else a snapshot */
} TableAccess;

/* The next messages after a key, as buckets. */
typedef struct TableSlice
{
	Bucket	   *buckets;		/* without those that are pending as a whole */
	int			count;
	int64		messages;		/* in all buckets */
	MessageKey	last;			/* the last of them; not set if there are none */
	bool		more;			/* there may be more messages */
} TableSlice;

/* The table's side of a key. */
typedef struct TableRow
{
	MessageKey	key;
	int64		checksum;		/* CHECKSUM_NONE: there is no such message */
	bool		pending;
} TableRow;

typedef struct TableRows
{
	TableRow   *items;			/* in key order */
	int			count;
	bool		rebuild;		/* the index is to be replaced */
} TableRows;

extern TableSlice es_compare_table_slice(const TableAccess *access, MessageKey above, ChatKey through, int size);
extern TableRows es_compare_table_rows(const TableAccess *access, const KeyRange *ranges, int count);

#endif							/* PG_CHAT_ES_COMPARE_TABLE_H */
