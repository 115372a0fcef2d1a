/*
 * message_batch.h
 *	  New messages, by chat: see message_batch.c.
 */
#ifndef PG_CHAT_MESSAGE_BATCH_H
#define PG_CHAT_MESSAGE_BATCH_H

#include "core/message_insert.h"

/* The new messages of one chat: those at order[first] to order[first + count - 1]. */
typedef struct ChatGroup
{
	int32		application;
	int32		chat;
	int			first;
	int			count;
	bool		named;			/* a number is named among them */
	bool		checked;		/* a key or a condition is among them */
	bool		found;			/* the chat exists, and is held */
	bool		counted;		/* its row counts the messages already */
	int32		last_number;
	int32		last_before;	/* last_number as it was found */
	int32		last_revision;
	int32		added;			/* messages that were accepted */
	struct HTAB *keys;			/* of these; NULL: none yet */
} ChatGroup;

/* A batch while it is worked on. */
typedef struct MessageBatch
{
	MessageInsert **order;		/* by chat, within it as the caller gave them */
	int			count;
	ChatGroup  *groups;			/* in the order of their keys */
	int			groups_count;
} MessageBatch;

extern void message_batch_init(MessageBatch *batch, MessageInsert *messages, int count);
extern void message_batch_refuse(MessageBatch *batch, ChatGroup *group, ArgError problem);

#endif							/* PG_CHAT_MESSAGE_BATCH_H */
