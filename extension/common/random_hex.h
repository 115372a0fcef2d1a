/*
 * random_hex.h
 *	  Secrets that nobody can guess: see random_hex.c.
 */
#ifndef PG_CHAT_RANDOM_HEX_H
#define PG_CHAT_RANDOM_HEX_H

#include "postgres.h"

extern char *random_hex(int digits);
extern int32 random_id(void);

#endif							/* PG_CHAT_RANDOM_HEX_H */
