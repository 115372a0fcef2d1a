/*
 * application.h
 *	  Applications: who owns chats; see application.c.
 */
#ifndef PG_CHAT_APPLICATION_H
#define PG_CHAT_APPLICATION_H

/* Hexadecimal digits in a token: 128 bits. */
#define TOKEN_LENGTH 32

#endif							/* PG_CHAT_APPLICATION_H */
