/*
 * hooks.h
 *	  Commands that concern workers: see hooks.c.
 */
#ifndef PG_CHAT_HOOKS_H
#define PG_CHAT_HOOKS_H

extern void hooks_define(void);

#endif							/* PG_CHAT_HOOKS_H */
