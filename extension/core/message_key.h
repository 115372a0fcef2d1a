/*
 * message_key.h
 *	  Keys that messages are created once by: see message_key.c.
 */
#ifndef PG_CHAT_MESSAGE_KEY_H
#define PG_CHAT_MESSAGE_KEY_H

#include "core/message_batch.h"

/* A message that was found by its key. */
typedef struct KeyedMessage
{
	int32		number;
	TimestampTz created_at;
	int32		revision;		/* 0: none */
	bytea	   *digest;			/* of what was created; NULL: unknown */
} KeyedMessage;

extern void message_keys_digest(MessageInsert *messages, int count);
extern void message_key_meet(MessageInsert *message, const KeyedMessage *found);
extern bool message_key_admits(ChatGroup *group, MessageInsert *message, int32 last_number);
extern void message_keys_forget(MessageBatch *batch, ChatGroup *group);
extern void message_keys_share(MessageBatch *batch);

#endif							/* PG_CHAT_MESSAGE_KEY_H */
