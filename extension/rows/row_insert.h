/*
 * row_insert.h
 *	  New rows: see row_insert.c.
 */
#ifndef PG_CHAT_ROW_INSERT_H
#define PG_CHAT_ROW_INSERT_H

#include "datatype/timestamp.h"

#include "common/message_columns.h"
#include "rows/row_access.h"

/* A new row of chat.messages. */
typedef struct MessageRow
{
	int32		application;
	int32		chat;
	Datum		values[MESSAGE_COLUMNS_COUNT];
	bool		nulls[MESSAGE_COLUMNS_COUNT];
	text	   *key;			/* or NULL, as is its digest then */
	bytea	   *key_digest;
} MessageRow;

extern void row_insert_messages(RowAccess *access, const MessageRow *rows, int count);
extern void row_insert_chat(RowAccess *access, int32 application, int32 number, TimestampTz created_at);

#endif							/* PG_CHAT_ROW_INSERT_H */
