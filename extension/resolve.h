/*
 * resolve.h
 *	  The address of a host: see resolve.c.
 */
#ifndef PG_CHAT_RESOLVE_H
#define PG_CHAT_RESOLVE_H

#include "postgres.h"

#include <netdb.h>

#include "datatype/timestamp.h"

extern const char *resolve_host(const char *host, TimestampTz deadline, char address[NI_MAXHOST]);

#endif							/* PG_CHAT_RESOLVE_H */
