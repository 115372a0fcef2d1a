/*
 * message.h
 *	  Messages as the functions return them: see message.c, message_multi.c and
 *	  search.c.
 */
#ifndef PG_CHAT_MESSAGE_H
#define PG_CHAT_MESSAGE_H

#include "common/message_columns.h"

/* The messages of a chat; both are given as strings. */
#define MESSAGE_SELECT_OF(application, chat) \
	"SELECT " MESSAGE_COLUMNS("messages") " FROM chat.messages" \
	" WHERE messages.application_id = " application " AND messages.chat_number = " chat

/*
 * Conditions: a chat, and the chat of each message of an application, was not deleted. What was
 * deleted is purged later, and there is nothing of it most often: both look into an index that is
 * empty then.
 */
#define CHAT_IS_NOT_DELETED(application, chat) \
	"NOT EXISTS (SELECT FROM chat.chats AS d WHERE d.application_id = " application \
	" AND d.number = " chat " AND d.deleted_at IS NOT NULL)"
#define CHAT_NUMBER_IS_NOT_DELETED(application) \
	"chat_number <> ALL (ARRAY(SELECT d.number FROM chat.chats AS d WHERE d.application_id = " application \
	" AND d.deleted_at IS NOT NULL))"

/* Of these, what a list has unless more is asked for: those that were not deleted. */
#define MESSAGE_NOT_DELETED " AND messages.deleted_at IS NULL"

#endif							/* PG_CHAT_MESSAGE_H */
