/*
 * inbox.h
 *	  Changed chats, handed to the duties that want them: see inbox.c.
 */
#ifndef PG_CHAT_INBOX_H
#define PG_CHAT_INBOX_H

#include "postgres.h"

#include "changes/shmem.h"

typedef enum InboxReader
{
	INBOX_REDIS,
	INBOX_SEARCH,
	INBOX_READERS
} InboxReader;

extern void inbox_listen(InboxReader reader, bool listen);
extern bool inbox_has_changes(InboxReader reader);
extern int	inbox_take(InboxReader reader, ChangedChat **changes, bool *all);

#endif							/* PG_CHAT_INBOX_H */
