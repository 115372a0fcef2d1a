/*
 * retired.h
 *	  Keys in Redis of what is gone: see retired.c.
 */
#ifndef PG_CHAT_RETIRED_H
#define PG_CHAT_RETIRED_H

#include "postgres.h"

#include "nodes/pg_list.h"

extern bool retired_delete_tokens(List **living);
extern bool retired_delete_chats(void);
extern bool retired_under_way(void);
extern void retired_stop(void);
extern void retired_do_again(void);
extern void retired_forget_old(void);
extern void retired_forget_all(void);

#endif							/* PG_CHAT_RETIRED_H */
