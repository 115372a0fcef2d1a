/*
 * recount_queue.h
 *	  Parents whose children are to be counted: see recount_queue.c.
 */
#ifndef PG_CHAT_RECOUNT_QUEUE_H
#define PG_CHAT_RECOUNT_QUEUE_H

#include "postgres.h"

#include "utils/uuid.h"

#include "common/keys.h"

extern void recount_queue_add(const ChatKey *parents, int count);
extern void recount_queue_add_from(const char *parents);
extern void recount_queue_add_everything(void);
extern void recount_queue_add_back(ChatKey parent);
extern int	recount_queue_first(ChatKey *parents, int limit, ChatKey after);
extern void recount_queue_remove(const ChatKey *parents, int count);
extern pg_uuid_t recount_queue_mark(ChatKey parent);
extern bool recount_queue_has_others(ChatKey parent, pg_uuid_t mark);
extern void recount_queue_remove_mark(ChatKey parent, pg_uuid_t mark);

#endif							/* PG_CHAT_RECOUNT_QUEUE_H */
