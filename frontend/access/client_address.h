/*
 * client_address.h
 *		The address of a client, which may be behind gateways.
 */
#ifndef CHATD_CLIENT_ADDRESS_H
#define CHATD_CLIENT_ADDRESS_H

#include <netinet/in.h>

#include "http/request.h"

/* Reads --trusted-proxies. Returns what is wrong with it, or NULL. */
extern const char *client_addresses_read(void);

/*
 * Returns the address of the client that sent a request: the peer of the
 * connection or, if that is a trusted proxy, the last address in its header
 * that is not. IPv4 addresses are mapped into IPv6; if the socket has no
 * addresses, the result is all zeros.
 */
extern struct in6_addr client_address(const Request *request);

/* Parses an address, which may have a port. Returns false if it is invalid. */
extern bool address_parse(const char *text, size_t length, struct in6_addr *address);

#endif
