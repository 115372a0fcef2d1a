/*
 * row_number.h
 *	  The number of a row that is inserted directly: see row_number.c.
 */
#ifndef PG_CHAT_ROW_NUMBER_H
#define PG_CHAT_ROW_NUMBER_H

#include "core/trigger_call.h"

#include "common/keys.h"

/* A row of chat.messages or chat.chats, with its number. */
typedef struct NumberedRow
{
	HeapTuple	tuple;
	bool		counted;		/* what follows is so; else it is left alone */
	ChatKey		parent;
	int32		number;
	bool		filled_in;		/* the number was named, and is not above those that are there */
} NumberedRow;

extern NumberedRow row_number_give(const TriggerData *trigger, HeapTuple tuple);
extern HeapTuple row_with_column(const TriggerData *trigger, HeapTuple tuple, const char *name, Oid type, Datum value, bool isnull);

#endif							/* PG_CHAT_ROW_NUMBER_H */
