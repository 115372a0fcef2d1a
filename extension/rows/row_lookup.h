/*
 * row_lookup.h
 *	  Rows found by their key: see row_lookup.c.
 */
#ifndef PG_CHAT_ROW_LOOKUP_H
#define PG_CHAT_ROW_LOOKUP_H

#include "rows/row_access.h"

/* A key of a table with its values. */
typedef struct RowKey
{
	int			key;			/* KEY_FIRST, ... */
	int			count;
	int			columns[PLAIN_KEY_COLUMNS_MAX]; /* places in PlainTable.columns */
	Datum		values[PLAIN_KEY_COLUMNS_MAX];
	bool		is_text;		/* the last column is of type text; all others are integer */
	uint32		hash;
} RowKey;

/* The key of the application of an id. */
extern RowKey row_key_of_application(int32 id);

/* The key of the application of a token. */
extern RowKey row_key_of_token(text *token);
extern RowKey row_key_of_counters(int32 application);
extern RowKey row_key_of_chat(int32 application, int32 chat);
extern RowKey row_key_of_message(int32 application, int32 chat, int32 number);
extern RowKey row_key_of_message_key(int32 application, int32 chat, text *key);
extern bool row_lookup(RowAccess *access, OpenTable *table, const RowKey *key);
extern bool row_found_is_null(OpenTable *table, int column);
extern Datum row_found_column(OpenTable *table, int column, bool *isnull);
extern Datum row_found_value(OpenTable *table, int column);

#endif							/* PG_CHAT_ROW_LOOKUP_H */
