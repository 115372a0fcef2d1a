/*
 * host_address.h
 *	  The address of the host that requests go to: see host_address.c.
 */
#ifndef PG_CHAT_HOST_ADDRESS_H
#define PG_CHAT_HOST_ADDRESS_H

#include "postgres.h"

extern const char *host_address_find(const char *host, long timeout_ms, const char **address);
extern void host_address_forget(void);

#endif							/* PG_CHAT_HOST_ADDRESS_H */
