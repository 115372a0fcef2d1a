/*
 * chat.h
 *	  Chats: see chat.c.
 */
#ifndef PG_CHAT_CHAT_H
#define PG_CHAT_CHAT_H

extern void chat_create_missing(int32 application, int32 number);

#endif							/* PG_CHAT_CHAT_H */
