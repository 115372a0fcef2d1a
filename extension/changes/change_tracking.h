/*
 * changes.h
 *	  Chats that this transaction changed: see changes.c.
 */
#ifndef PG_CHAT_CHANGES_H
#define PG_CHAT_CHANGES_H

#include "postgres.h"

extern void changes_define(void);
extern void changes_note(int32 application, int32 chat);

#endif							/* PG_CHAT_CHANGES_H */
