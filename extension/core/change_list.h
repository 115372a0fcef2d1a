/*
 * change_list.h
 *	  Pages of changes: see change_list.c and change_list_direct.c.
 */
#ifndef PG_CHAT_CHANGE_LIST_H
#define PG_CHAT_CHANGE_LIST_H

#include "core/message_json.h"

/* A page of changes that is asked for, and how far its chat is. */
typedef struct ChangePage
{
	bool		found;			/* the chat exists */
	int32		application;
	int32		chat;
	int32		number;			/* the position */
	int32		revision;
	int32		limit;
	int32		last_number;	/* of the chat */
	int32		last_revision;
} ChangePage;

extern bool change_pages_find_direct(const NamedChats *chats, ChangePage *list);
extern bool change_page_append_direct(JsonPages *pages, const ChangePage *page);

#endif							/* PG_CHAT_CHANGE_LIST_H */
