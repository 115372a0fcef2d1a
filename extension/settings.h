/*
 * settings.h
 *	  The extension's settings, pg_chat.*: see settings.c.
 */
#ifndef PG_CHAT_SETTINGS_H
#define PG_CHAT_SETTINGS_H

/* pg_chat.max_body_size: the longest body of a message, in bytes. */
extern int	settings_max_body_size;

/* pg_chat.reconcile_interval: between two passes of reconciliation, in seconds. */
extern int	settings_reconcile_interval;

/* pg_chat.scrub_interval: within which everything is counted once, in seconds. */
extern int	settings_scrub_interval;

/* pg_chat.redis_url: where counters are mirrored to; empty: nowhere. */
extern char *settings_redis_url;

/* pg_chat.redis_password_file: has the password; empty: there is none. */
extern char *settings_redis_password_file;

extern void settings_define(void);

#endif							/* PG_CHAT_SETTINGS_H */
