/*
 * direct.h
 *	  Changes of the tables by other ways than the functions: see direct.c.
 */
#ifndef PG_CHAT_DIRECT_H
#define PG_CHAT_DIRECT_H

#include "postgres.h"

extern void direct_define(void);
extern int	direct_api_begin(void);
extern void direct_api_end(int previous);

#endif							/* PG_CHAT_DIRECT_H */
