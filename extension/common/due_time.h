/*
 * due_time.h
 *	  Times to wait for, on a clock that may be set: see due_time.c.
 */
#ifndef PG_CHAT_DUE_TIME_H
#define PG_CHAT_DUE_TIME_H

#include "postgres.h"

#include "datatype/timestamp.h"

extern long due_time_left_ms(TimestampTz now, TimestampTz due, long interval_ms);
extern bool due_time_passed(TimestampTz *due, long interval_ms);

#endif							/* PG_CHAT_DUE_TIME_H */
