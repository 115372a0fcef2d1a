/*
 * message_rows.h
 *	  Messages of a chat, found by their numbers: see message_rows.c.
 */
#ifndef PG_CHAT_MESSAGE_ROWS_H
#define PG_CHAT_MESSAGE_ROWS_H

#include "access/sdir.h"

#include "common/message_columns.h"
#include "rows/row_access.h"

extern void message_rows_find(RowAccess *access, int32 application, int32 chat, int32 above, int32 through);
extern bool message_rows_next(RowAccess *access, ScanDirection direction, Datum *values, bool *nulls);

#endif							/* PG_CHAT_MESSAGE_ROWS_H */
