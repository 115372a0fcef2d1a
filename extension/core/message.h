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

/* Of these, what a list has unless more is asked for: those that were not deleted. */
#define MESSAGE_NOT_DELETED " AND messages.deleted_at IS NULL"

#endif							/* PG_CHAT_MESSAGE_H */
