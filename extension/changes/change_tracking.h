/*
 * change_tracking.h
 *	  Chats that this transaction changed: see change_tracking.c.
 */
#ifndef PG_CHAT_CHANGE_TRACKING_H
#define PG_CHAT_CHANGE_TRACKING_H

#include "postgres.h"

extern void change_tracking_init(void);
extern void change_tracking_note(int32 application, int32 chat);

#endif							/* PG_CHAT_CHANGE_TRACKING_H */
