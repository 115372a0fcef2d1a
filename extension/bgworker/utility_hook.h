/*
 * utility_hook.h
 *	  Commands that affect workers: see utility_hook.c.
 */
#ifndef PG_CHAT_UTILITY_HOOK_H
#define PG_CHAT_UTILITY_HOOK_H

extern void utility_hook_init(void);

#endif							/* PG_CHAT_UTILITY_HOOK_H */
