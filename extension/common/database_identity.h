/*
 * home.h
 *	  Whether this database is a copy: see home.c.
 */
#ifndef PG_CHAT_HOME_H
#define PG_CHAT_HOME_H

#include "postgres.h"

extern char *home_here(void);
extern char *home_of_original(const char *home);

#endif							/* PG_CHAT_HOME_H */
