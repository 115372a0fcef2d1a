/*
 * message_import.h
 *	  Messages from elsewhere, as they are there: see message_import.c.
 */
#ifndef PG_CHAT_MESSAGE_IMPORT_H
#define PG_CHAT_MESSAGE_IMPORT_H

#include "catalog/pg_type.h"
#include "fmgr.h"

#include "common/keys.h"
#include "common/message_columns.h"
#include "core/message_insert.h"

/* The columns of a message, and its key, which are arguments. */
#define IMPORTED_COLUMNS (MESSAGE_COLUMNS_COUNT + 1)
#define IMPORTED_ARRAY_TYPES \
	INT4ARRAYOID, TEXTARRAYOID, TIMESTAMPTZARRAYOID, TEXTARRAYOID, JSONBARRAYOID, TIMESTAMPTZARRAYOID, TIMESTAMPTZARRAYOID, \
	INT4ARRAYOID, TEXTARRAYOID

/* A message to be imported. */
typedef struct ImportedMessage
{
	Datum		values[IMPORTED_COLUMNS];
	bool		nulls[IMPORTED_COLUMNS];
	bool		accepted;		/* it is to be inserted */
	bool		free_revision;	/* no message of the chat has its revision */
	MessageInsert outcome;
} ImportedMessage;

/* An import into a chat. */
typedef struct Import
{
	ChatKey		chat;
	ImportedMessage *messages;
	int			count;
	int			accepted;
} Import;

extern ImportedMessage *message_import_take(FunctionCallInfo fcinfo, int *count);
extern void message_import_refuse(ImportedMessage *message, ArgError problem);
extern bool message_import(Import *import);

#endif							/* PG_CHAT_MESSAGE_IMPORT_H */
