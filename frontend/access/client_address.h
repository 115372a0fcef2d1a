/*
 * client_address.h
 *		The address of a client, which may be behind gateways.
 */
#ifndef CHATD_CLIENT_ADDRESS_H
#define CHATD_CLIENT_ADDRESS_H

#include <netinet/in.h>

#include "http/request.h"

/* Reads the setting; exits if it is invalid. */
extern void client_addresses_open(void);

/*
 * The address that a request comes from: the connection's or, as long as that is of a
 * trusted proxy, what the proxy says, from the last to the first. IPv4 is mapped
 * into IPv6; a connection on a socket that has no addresses has none, all zeros.
 */
extern struct in6_addr client_address(const Request *request);

/* The address that a text names, perhaps with a port. Returns false if it names none. */
extern bool address_parse(const char *text, size_t length, struct in6_addr *address);

#endif
