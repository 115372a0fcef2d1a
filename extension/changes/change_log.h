/*
 * change_log.h
 *	  The log of changed chats, in the order of the commits: see
 *	  change_log.c.
 */
#ifndef PG_CHAT_CHANGE_LOG_H
#define PG_CHAT_CHANGE_LOG_H

#include "postgres.h"

#include "changes/shmem.h"
#include "common/keys.h"

/* The changes since a position. */
typedef struct ChangesSince
{
	uint64		position;		/* the end of the log */
	bool		all;			/* any chat may have changed; no chats then */
	int			count;
	ChatKey    *chats;			/* may have duplicates */
} ChangesSince;

/* For any backend. */
extern bool change_log_is_read(void);
extern void change_log_add(const ChatKey *chats, int count);
extern void change_log_add_all(void);
extern void change_log_note_prepared(void);
extern void change_log_note_commit_prepared(void);

/* For a session that waits for changes. */
extern bool change_log_join(void);
extern bool change_log_wait(uint64 position, long timeout_ms);
extern ChangesSince change_log_read(uint64 position);

/* For the worker. */
extern void change_log_listen(bool listen);
extern bool change_log_has_untaken(void);
extern ChangesSince change_log_take(void);

/* For callers that hold the lock of an entry. */
extern void change_log_forget(SharedChangeLog *log);

#endif							/* PG_CHAT_CHANGE_LOG_H */
