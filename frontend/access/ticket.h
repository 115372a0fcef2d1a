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

/* Makes a ticket. Returns false if there is no randomness. */
extern bool ticket_make(char ticket[TICKET_SIZE]);

/* Is a text a ticket? If so, writes its digest as a parameter, which ends with a NUL. */
extern bool ticket_digest(const char *text, size_t length, char hex[DIGEST_HEX_SIZE + 1]);

/* The JSON of a grant, which the database keeps for a ticket; malloc'ed, NULL if out of memory. */
extern char *ticket_content(const Grant *grant);

/* The grant of such JSON; NULL if it is none, or out of memory. */
extern Grant *ticket_grant(const char *content);

#endif
