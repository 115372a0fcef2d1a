/*
 * ticket.h
 *		Tickets, which stand in a URL in the place of a credential.
 */
#ifndef CHATD_TICKET_H
#define CHATD_TICKET_H

#include "access/grant.h"
#include "access/digest.h"

#define TICKET_SIZE 33			/* 32 hexadecimal digits, as a token has, and a NUL */
#define TICKET_LIFETIME 30		/* seconds */

/* Makes a ticket. Returns false if there is no randomness. */
extern bool ticket_make(char ticket[TICKET_SIZE]);

/* Is a text a ticket? If so, writes its digest as a parameter, which ends with a NUL. */
extern bool ticket_digest(const char *text, size_t length, char hex[DIGEST_HEX_SIZE + 1]);

/* What the database keeps for a ticket: a grant as JSON, malloc'ed; NULL without memory. And back. */
extern char *ticket_content(const Grant *grant);
extern Grant *ticket_grant(const char *content);

#endif
