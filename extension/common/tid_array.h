/*
 * tid_array.h
 *	  Rows that one statement found, for the next to change: see tid_array.c.
 */
#ifndef PG_CHAT_TID_ARRAY_H
#define PG_CHAT_TID_ARRAY_H

#include "postgres.h"

extern Datum tid_array_of_result(const char *column);

#endif							/* PG_CHAT_TID_ARRAY_H */
