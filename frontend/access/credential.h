/*
 * credential.h
 *		Credentials: what a caller presents, and what it is granted for it.
 */
#ifndef CHATD_CREDENTIAL_H
#define CHATD_CREDENTIAL_H

#include "access/visit.h"

/*
 * Reads the header Authorization into the visit. Returns false if it is malformed, or
 * names another scheme than Bearer.
 */
extern bool credential_read(Visit *visit);

/*
 * Looks up the visit's credential. If it counts, fills in the grant, and the token of
 * the application that the path names by its id, and calls granted; else responds.
 */
extern void credential_look_up(Visit *visit, void (*granted) (Visit *visit));

#endif
