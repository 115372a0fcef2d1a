/*
 * tid_cache.h
 *	  A cache of the TIDs of rows: see tid_cache.c.
 */
#ifndef PG_CHAT_TID_CACHE_H
#define PG_CHAT_TID_CACHE_H

#include "postgres.h"

#include "storage/itemptr.h"

#include "common/chat_tables.h"

extern void tid_cache_forget(ChatTable which);
extern bool tid_cache_find_root(ChatTable which, uint32 hash, ItemPointer tid);
extern bool tid_cache_find_version(ChatTable which, uint32 hash, ItemPointer tid);
extern bool tid_cache_find_version_before(ChatTable which, uint32 hash, ItemPointer tid);
extern void tid_cache_put_root(ChatTable which, uint32 hash, ItemPointer tid);
extern void tid_cache_put_version(ChatTable which, uint32 hash, ItemPointer tid);

#endif							/* PG_CHAT_TID_CACHE_H */
