/*
 * database_identity.h
 *	  Whether this database is a copy: see database_identity.c.
 */
#ifndef PG_CHAT_DATABASE_IDENTITY_H
#define PG_CHAT_DATABASE_IDENTITY_H

#include "postgres.h"

extern char *database_identity_current(void);
extern char *database_identity_of_original(const char *identity);

#endif							/* PG_CHAT_DATABASE_IDENTITY_H */
