/*
 * message_outcome.h
 *	  What became of a message of a call for many: see message_outcome.c.
 */
#ifndef PG_CHAT_MESSAGE_OUTCOME_H
#define PG_CHAT_MESSAGE_OUTCOME_H

#include "catalog/pg_type.h"

#include "common/spi_plan.h"
#include "core/message_insert.h"

/* The types of chat.outcome. */
#define MESSAGE_OUTCOME_COLUMN_TYPES INT4OID, INT4OID, TEXTOID, TEXTOID, TEXTOID, TIMESTAMPTZOID, INT4OID, BOOLOID

extern void message_outcome_store(RowStore store, int item, const MessageInsert *message);

#endif							/* PG_CHAT_MESSAGE_OUTCOME_H */
