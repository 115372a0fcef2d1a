/*
 * tid_array.h
 *	  Rows that one statement found, for the next to change: see tid_array.c.
 */
#ifndef PG_CHAT_TID_ARRAY_H
#define PG_CHAT_TID_ARRAY_H

#include "postgres.h"

#include "common/spi_plan.h"

/* A statement about the rows whose ctids are its parameter. */
#define TID_ARRAY_PLAN(statement) \
	{ \
		.sql = statement, \
		.by_tid = true, \
		.nargs = 1, \
		.argtypes = {TIDARRAYOID} \
	}

extern uint64 tid_array_write(SavedPlan *find, const Datum *values, SavedPlan *change);
extern Datum tid_array_of_result(const char *column);

#endif							/* PG_CHAT_TID_ARRAY_H */
