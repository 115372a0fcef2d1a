/*
 * chat.h
 *	  Chats: see chat.c.
 */
#ifndef PG_CHAT_CHAT_H
#define PG_CHAT_CHAT_H

#include "fmgr.h"

#include "core/arg_error.h"

extern int32 chat_argument(FunctionCallInfo fcinfo);
extern void chat_create_counters(int32 application);
extern void chat_require(int32 application, int32 chat);
extern ArgError chat_not_found(int32 application, int32 chat);
extern ArgError chat_not_named(void);

#endif							/* PG_CHAT_CHAT_H */
