/*
 * rfc3339.h
 *	  Times as JSON and REST show them: see rfc3339.c.
 */
#ifndef PG_CHAT_RFC3339_H
#define PG_CHAT_RFC3339_H

#include "postgres.h"

#include "datatype/timestamp.h"

/* Bytes of a time, with the end of the string, at most. */
#define RFC3339_SIZE 40

extern int	rfc3339_print(TimestampTz value, char *target);

#endif							/* PG_CHAT_RFC3339_H */
