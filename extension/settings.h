/*
 * settings.h
 *	  The extension's settings, pg_chat.*: see settings.c.
 */
#ifndef PG_CHAT_SETTINGS_H
#define PG_CHAT_SETTINGS_H

/* pg_chat.max_body_size: the longest body of a message, in bytes. */
extern int	settings_max_body_size;

extern void settings_define(void);

#endif							/* PG_CHAT_SETTINGS_H */
