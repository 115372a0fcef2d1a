/*
 * launcher.h
 *	  The process that starts workers: see launcher.c.
 */
#ifndef PG_CHAT_LAUNCHER_H
#define PG_CHAT_LAUNCHER_H

extern void launcher_register(void);

#endif							/* PG_CHAT_LAUNCHER_H */
