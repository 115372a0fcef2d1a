/*
 * resolve.h
 *	  The address of a host: see resolve.c.
 */
#ifndef PG_CHAT_RESOLVE_H
#define PG_CHAT_RESOLVE_H

#include "postgres.h"

#include <netdb.h>

#include "datatype/timestamp.h"

/* Who asks for addresses, one after the other. Static; begins as zeros. */
typedef struct Resolver
{
	struct gaicb request;
	char	   *name;			/* that is asked for; NULL: none is */
} Resolver;

extern const char *resolve_host(Resolver *resolver, const char *host, TimestampTz deadline,
								char address[NI_MAXHOST]);

#endif							/* PG_CHAT_RESOLVE_H */
