/*
 * sender_cursor.h
 *	  New messages that move their senders' cursors: see sender_cursor.c.
 */
#ifndef PG_CHAT_SENDER_CURSOR_H
#define PG_CHAT_SENDER_CURSOR_H

#include "core/message_insert.h"

extern bool sender_cursors_any(const MessageInsert *messages, int count);
extern void sender_cursors_hold(MessageInsert *messages, int count);
extern void sender_cursors_move(const MessageInsert *messages, int count);

#endif							/* PG_CHAT_SENDER_CURSOR_H */
