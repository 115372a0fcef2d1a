/*
 * message.h
 *	  How messages are selected: see message.c and message_multi.c.
 */
#ifndef PG_CHAT_MESSAGE_H
#define PG_CHAT_MESSAGE_H

/* The messages of a chat; both are given as strings. */
#define MESSAGE_SELECT_OF(application, chat) \
	"SELECT number, body, created_at FROM chat.messages" \
	" WHERE application_id OPERATOR(pg_catalog.=) " application \
	" AND chat_number OPERATOR(pg_catalog.=) " chat

#endif							/* PG_CHAT_MESSAGE_H */
