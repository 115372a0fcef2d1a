/*
 * dns_resolve.h
 *	  The address of a host: see dns_resolve.c.
 */
#ifndef PG_CHAT_DNS_RESOLVE_H
#define PG_CHAT_DNS_RESOLVE_H

#include "postgres.h"

#include <netdb.h>

#include "datatype/timestamp.h"

/* Resolves one host at a time. Static; begins as zeros. */
typedef struct DnsResolver
{
	struct gaicb request;
	char	   *name;			/* the host being resolved; NULL: none */
} DnsResolver;

extern const char *dns_resolve_host(DnsResolver *resolver, const char *host, TimestampTz deadline,
									char address[NI_MAXHOST]);

#endif							/* PG_CHAT_DNS_RESOLVE_H */
