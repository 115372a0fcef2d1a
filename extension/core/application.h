/*
 * application.h
 *	  Applications: who owns chats; see application.c.
 */
#ifndef PG_CHAT_APPLICATION_H
#define PG_CHAT_APPLICATION_H

extern char *application_token_generate(void);

#endif							/* PG_CHAT_APPLICATION_H */
