/*
 * deleted_messages.h
 *	  Messages of which no row is left: see deleted_messages.c.
 */
#ifndef PG_CHAT_DELETED_MESSAGES_H
#define PG_CHAT_DELETED_MESSAGES_H

#include "common/keys.h"

extern void deleted_messages_record(const char *gone);
extern void deleted_messages_follow(ChatKey from, ChatKey to);
extern void deleted_messages_forget_chats(void);
extern void deleted_messages_forget_all(void);

#endif							/* PG_CHAT_DELETED_MESSAGES_H */
