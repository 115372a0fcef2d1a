/*
 * credential.h
 *		Credentials: what a caller presents, and what it is granted for it.
 */
#ifndef CHATD_CREDENTIAL_H
#define CHATD_CREDENTIAL_H

#include "access/visit.h"

/*
 * Reads the header Authorization into the visit or, if there is none, the ticket in
 * the query. Returns false if the header is malformed, or names another scheme than
 * Bearer.
 */
extern bool credential_read(Visit *visit);

/* Has the visit a credential, or a ticket? */
extern bool credential_is_given(const Visit *visit);

/*
 * Looks up the visit's credential. If it counts, fills in the grant, and the token of
 * the application that the path names by its id, and calls granted; else responds.
 */
extern void credential_look_up(Visit *visit, void (*granted) (Visit *visit));

/*
 * Does the credential that a grant was given for still count? For what lasts, as streams
 * do, once a second: the waiter gets NULL if not.
 */
extern void credential_recheck(const Grant *grant, FactWaiter *waiter);

#endif
