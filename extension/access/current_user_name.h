/*
 * current_user_name.h
 *	  The application's user on whose behalf a session runs: see
 *	  current_user_name.c.
 */
#ifndef PG_CHAT_CURRENT_USER_NAME_H
#define PG_CHAT_CURRENT_USER_NAME_H

/* pg_chat.user_name: the name; empty: none. */
extern char *guc_user_name;

#endif							/* PG_CHAT_CURRENT_USER_NAME_H */
