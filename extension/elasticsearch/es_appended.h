/*
 * es_appended.h
 *	  Messages above their chat's watermark: see es_appended.c.
 */
#ifndef PG_CHAT_ES_APPENDED_H
#define PG_CHAT_ES_APPENDED_H

#include "elasticsearch/es_batch.h"

/* A chat that may have messages above its watermark. */
typedef struct AppendedChat
{
	ChatKey		chat;
	int32		above;			/* read above it: the watermark, or what is under way */
	bool		under_way;		/* it is what is under way */
	bool		recorded;		/* it is that, or the watermark, as it was recorded last */
	bool		known;			/* the chat exists, and has a watermark */
	int32		last_number;	/* 0: the chat does not exist */
	int32		messages_count;
	bool		begun;			/* some messages were read */
	bool		unfinished;		/* there are more messages */
	bool		awaited;		/* messages are missing below last_number, and may yet be loaded */
} AppendedChat;

extern bool es_appended_look_up(int32 index, AppendedChat *chats, int count);
extern void es_appended_read(EsBatch *batch, int size, AppendedChat *chats, int count, int64 version);

#endif							/* PG_CHAT_ES_APPENDED_H */
