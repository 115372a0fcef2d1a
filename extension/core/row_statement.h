/*
 * row_statement.h
 *	  Statements about one row: see row_statement.c.
 */
#ifndef PG_CHAT_ROW_STATEMENT_H
#define PG_CHAT_ROW_STATEMENT_H

#include "common/chat_tables.h"
#include "common/spi_plan.h"

/* A statement about one row, which is found by its key, or by its place and its key. */
typedef struct RowStatement
{
	SavedPlan	by_key;
	SavedPlan	by_place;
} RowStatement;

extern uint64 row_statement_run(RowStatement *statement, ChatTable table, uint32 hash, Datum *values, int place);

#endif							/* PG_CHAT_ROW_STATEMENT_H */
