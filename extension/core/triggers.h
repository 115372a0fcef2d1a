/*
 * triggers.h
 *	  Changes of the tables by other ways than the functions: see triggers.c.
 */
#ifndef PG_CHAT_TRIGGERS_H
#define PG_CHAT_TRIGGERS_H

extern void triggers_init(void);

#endif							/* PG_CHAT_TRIGGERS_H */
