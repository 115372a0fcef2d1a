/*
 * column.h
 *	  Array arguments of functions that work on many items: see column.c.
 */
#ifndef PG_CHAT_COLUMN_H
#define PG_CHAT_COLUMN_H

#include "postgres.h"

#include "fmgr.h"

/* An array argument, taken apart. */
typedef struct Column
{
	Datum	   *values;
	bool	   *nulls;
	int			count;
} Column;

extern Column column_of_applications(FunctionCallInfo fcinfo, Oid type);
extern Column column_of_count(FunctionCallInfo fcinfo, int n, Oid type, const char *name, int count);

#endif							/* PG_CHAT_COLUMN_H */
