/*
 * credential.h
 *		Credentials: an API key, a signed token or a ticket, and the grant for
 *		it.
 */
#ifndef CHATD_CREDENTIAL_H
#define CHATD_CREDENTIAL_H

#include "access/visit.h"

/*
 * Reads the header Authorization into the visit or, if there is none, the
 * ticket in the query. Returns false if the header is malformed, or has another
 * scheme than Bearer.
 */
extern bool credential_read(Visit *visit);

/* Returns whether the visit has a credential or a ticket. */
extern bool credential_is_given(const Visit *visit);

/*
 * Looks up the credential of a visit. If it is valid, sets the grant, and the
 * token of the application if the path has its id, and calls granted; otherwise
 * responds.
 */
extern void credential_look_up(Visit *visit, void (*granted) (Visit *visit));

/*
 * Looks up again the credential behind a grant; credential_is_valid() judges what
 * the waiter gets. Long responses, such as streams, call it once a second.
 */
extern void credential_recheck(const Grant *grant, FactWaiter *waiter);

/* Is the credential behind a grant, by what was found, still valid? */
extern bool credential_is_valid(const Grant *grant, const void *found);

#endif
