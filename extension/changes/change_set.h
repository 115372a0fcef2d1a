/*
 * change_set.h
 *	  Chats that changed, announced to the worker: see change_set.c.
 */
#ifndef PG_CHAT_CHANGE_SET_H
#define PG_CHAT_CHANGE_SET_H

#include "postgres.h"

#include "changes/shmem.h"
#include "common/keys.h"

/* For any backend. */
extern bool change_set_is_wanted(void);
extern void change_set_add(const ChatKey *chats, int count);
extern void change_set_add_all(void);
extern void change_set_note_prepared(void);
extern void change_set_note_commit_prepared(void);

/* For the worker. */
extern void change_set_listen(bool listen);
extern bool change_set_is_empty(void);
extern int	change_set_take(ChatKey **chats, bool *all);

/* For a caller that holds the lock of the entry. */
extern void change_set_forget(SharedChangeSet *set);

#endif							/* PG_CHAT_CHANGE_SET_H */
