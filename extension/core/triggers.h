/*
 * direct.h
 *	  Changes of the tables by other ways than the functions: see direct.c.
 */
#ifndef PG_CHAT_DIRECT_H
#define PG_CHAT_DIRECT_H

extern void direct_define(void);

#endif							/* PG_CHAT_DIRECT_H */
