/*
 * ticket.h
 *		Tickets, which replace a credential in a URL.
 */
#ifndef CHATD_TICKET_H
#define CHATD_TICKET_H

#include "access/grant.h"
#include "access/digest.h"

#define TICKET_SIZE 33			/* 32 hexadecimal digits, as a token has, and a NUL */
#define TICKET_LIFETIME 30		/* seconds */

/* Generates a ticket. Returns false if there is no source of randomness. */
extern bool ticket_make(char ticket[TICKET_SIZE]);

/*
 * Returns whether a text is a ticket. If so, writes its digest as a parameter
 * of a statement, with a NUL.
 */
extern bool ticket_digest(const char *text, size_t length, char hex[DIGEST_HEX_SIZE + 1]);

/*
 * Returns the JSON in which the database keeps a grant; allocated by malloc,
 * NULL if out of memory.
 */
extern char *ticket_content(const Grant *grant);

/* Parses such JSON. Returns the grant, or NULL if it is invalid or memory is exhausted. */
extern Grant *ticket_grant(const char *content);

#endif
