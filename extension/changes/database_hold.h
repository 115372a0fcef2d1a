/*
 * database_hold.h
 *	  Databases that are kept free of workers: see database_hold.c.
 */
#ifndef PG_CHAT_DATABASE_HOLD_H
#define PG_CHAT_DATABASE_HOLD_H

#include "postgres.h"

extern void database_hold(Oid database);
extern void database_release(Oid database);

#endif							/* PG_CHAT_DATABASE_HOLD_H */
