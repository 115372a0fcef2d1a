/*
 * keys.h
 *	  Keys of chats and messages, in the order of the tables' primary keys.
 */
#ifndef PG_CHAT_KEYS_H
#define PG_CHAT_KEYS_H

#include "postgres.h"

/*
 * The key of a chat. Chat 0 stands for the application itself. Has no padding,
 * since it is hashed as bytes.
 */
typedef struct ChatKey
{
	int32		application;
	int32		chat;
} ChatKey;

/* The key of a message. Has no padding, either. */
typedef struct MessageKey
{
	int32		application;
	int32		chat;
	int32		number;
} MessageKey;

extern int	chat_key_compare(ChatKey a, ChatKey b);
extern int	chat_key_order(const void *a, const void *b);
extern int	message_key_compare(MessageKey a, MessageKey b);
extern void chat_keys_to_arrays(const ChatKey *keys, int count, Datum arrays[2]);
extern void message_keys_to_arrays(const MessageKey *keys, int count, Datum arrays[3]);

#endif							/* PG_CHAT_KEYS_H */
