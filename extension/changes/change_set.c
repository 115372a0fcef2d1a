/*
 * change_set.c
 *	  Chats that changed, announced to the worker.
 *
 * Each database has a set of the chats that changed since its worker last
 * asked. The set is only a hint where to look first. It is lost in a crash,
 * and when it would have too many chats it is replaced by a flag that any chat
 * may have changed. A database may use a quarter of the room at most, so that
 * a busy one leaves some to the others.
 *
 * The set is a list of chunks. Chats are appended to it, and the worker takes
 * it as a whole; both take the lock of the database for a moment. A chat may
 * be in it more than once; for one that changes again and again, a small table
 * of recent chats prevents that.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "fmgr.h"
#include "miscadmin.h"

#include "changes/change_set.h"
#include "common/sql_signature.h"

PG_FUNCTION_INFO_V1(chat_pending_changes);

/* The most changed chats of one database. */
#define CHANGE_SET_MAX (SHARED_CHUNKS / 4 * CHUNK_KEYS)

/* Remove all chats. The caller has locked the database. */
static void
clear(SharedChangeSet *set)
{
	set->count = 0;
	set->first_chunk = set->last_chunk = NO_CHUNK;
	memset(set->noted, 0, sizeof(set->noted));
}

/*
 * Replace the chats by the flag that any may have changed. The caller has
 * locked the database.
 */
void
change_set_forget(SharedChangeSet *set)
{
	shmem_give_chunks(set->first_chunk, set->last_chunk);
	clear(set);
	set->all = true;
}

/* Append a chat. Returns false if there is no room. */
static bool
append(SharedChangeSet *set, ChatKey chat)
{
	ChatKey    *noted = &set->noted[hash_bytes((const unsigned char *) &chat, sizeof(chat)) % NOTED_LAST];
	ChangeChunk *chunk = set->last_chunk == NO_CHUNK ? NULL : shmem_chunk(set->last_chunk);

	if (chat_key_compare(*noted, chat) == 0)
		return true;
	if (set->count == CHANGE_SET_MAX)
		return false;
	if (chunk == NULL || chunk->count == CHUNK_KEYS)
	{
		int			taken = shmem_take_chunk();

		if (taken == NO_CHUNK)
			return false;
		if (chunk == NULL)
			set->first_chunk = taken;
		else
			chunk->next = taken;
		set->last_chunk = taken;
		chunk = shmem_chunk(taken);
	}
	chunk->keys[chunk->count++] = chat;
	set->count++;
	*noted = chat;
	return true;
}

static void
wake_worker(const SharedDatabase *entry)
{
	if (entry->worker_latch != NULL)
		SetLatch(entry->worker_latch);
}

static bool
has_changes(const SharedChangeSet *set)
{
	return set->listening && (set->count > 0 || set->all);
}

/*
 * Whether changes of this transaction are to be kept for this database's
 * worker: it subscribes to them, or has not decided yet. When it begins to
 * subscribe it scans everything, but does not see uncommitted changes. Read
 * without the lock: a change missed by a moment does no harm, since a worker
 * that begins to subscribe waits for the transactions that are under way.
 */
bool
change_set_is_wanted(void)
{
	SharedDatabase *entry = shmem_available() ? shmem_own_database() : NULL;

	return entry != NULL && (entry->changes.listening || !entry->changes.settled);
}

/*
 * Add chats that a committed transaction changed. Wakes the worker if the set
 * was empty.
 */
void
change_set_add(const ChatKey *chats, int count)
{
	SharedDatabase *entry = shmem_lock_database(MyDatabaseId, false, LW_EXCLUSIVE);

	if (entry != NULL && entry->changes.listening && !entry->changes.all)
	{
		bool		first = entry->changes.count == 0;

		for (int i = 0; i < count; i++)
			if (!append(&entry->changes, chats[i]))
			{
				change_set_forget(&entry->changes);
				break;
			}
		if (first)
			wake_worker(entry);
	}
	shmem_unlock_database(entry);
}

/* Set the flag that any chat may have changed, and wake the worker. */
void
change_set_add_all(void)
{
	SharedDatabase *entry = shmem_lock_database(MyDatabaseId, false, LW_EXCLUSIVE);

	if (entry != NULL && entry->changes.listening && !entry->changes.all)
	{
		change_set_forget(&entry->changes);
		wake_worker(entry);
	}
	shmem_unlock_database(entry);
}

/* Remember that a transaction with changes is being prepared. */
void
change_set_note_prepared(void)
{
	SharedDatabase *entry = shmem_lock_database(MyDatabaseId, true, LW_EXCLUSIVE);

	if (entry != NULL)
		entry->changes.prepared = true;
	shmem_unlock_database(entry);
}

/*
 * A prepared transaction was committed: if any prepared transaction of this
 * database had changes, set the flag that any chat may have changed.
 */
void
change_set_note_commit_prepared(void)
{
	SharedDatabase *entry = shmem_lock_database(MyDatabaseId, false, LW_SHARED);
	bool		prepared = entry != NULL && entry->changes.prepared;

	shmem_unlock_database(entry);
	if (prepared)
		change_set_add_all();
}

/* As the worker: subscribe to changes, or no longer. */
void
change_set_listen(bool listen)
{
	SharedDatabase *entry = shmem_lock_database(MyDatabaseId, false, LW_EXCLUSIVE);

	if (entry != NULL && entry->worker_pid == MyProcPid)
	{
		if (entry->changes.listening != listen)
			change_set_forget(&entry->changes);
		entry->changes.listening = listen;
		entry->changes.settled = true;
	}
	shmem_unlock_database(entry);
}

/* As the worker: whether the set is empty. */
bool
change_set_is_empty(void)
{
	SharedDatabase *entry = shmem_lock_database(MyDatabaseId, false, LW_SHARED);
	bool		changed = entry != NULL && has_changes(&entry->changes);

	shmem_unlock_database(entry);
	return !changed;
}

/*
 * As the worker: take all chats, as an array in the current memory context.
 * *all becomes whether any others may have changed, too. Returns their number;
 * a chat may be there more than once.
 */
int
change_set_take(ChatKey **chats, bool *all)
{
	ChatKey    *room = palloc(CHANGE_SET_MAX * sizeof(ChatKey));
	SharedDatabase *entry = shmem_lock_database(MyDatabaseId, false, LW_EXCLUSIVE);
	int			first = NO_CHUNK;
	int			last = NO_CHUNK;
	int			count = 0;

	*chats = room;
	*all = false;
	if (entry != NULL)
	{
		first = entry->changes.first_chunk;
		last = entry->changes.last_chunk;
		*all = entry->changes.all;
		clear(&entry->changes);
		entry->changes.all = false;
	}
	shmem_unlock_database(entry);

	for (int chunk = first; chunk != NO_CHUNK; chunk = shmem_chunk(chunk)->next)
	{
		const ChangeChunk *part = shmem_chunk(chunk);

		memcpy(&room[count], part->keys, part->count * sizeof(ChatKey));
		count += part->count;
	}
	shmem_give_chunks(first, last);
	return count;
}

/*
 * chat_internal.pending_changes() returns bigint
 *
 * The number of changed chats that the worker has yet to take. Null if it does
 * not subscribe to changes, or if any chat may have changed.
 */
Datum
chat_pending_changes(PG_FUNCTION_ARGS)
{
	static SqlSignature signature = {SQL_RETURNS(INT8OID), .any_version = true};
	SharedDatabase *entry;
	int			changes = -1;

	sql_signature_check(fcinfo, &signature, InvalidOid);
	if (!shmem_available())
		PG_RETURN_NULL();
	entry = shmem_lock_database(MyDatabaseId, false, LW_SHARED);
	if (entry != NULL && entry->changes.listening && !entry->changes.all)
		changes = entry->changes.count;
	shmem_unlock_database(entry);
	if (changes < 0)
		PG_RETURN_NULL();
	PG_RETURN_INT64(changes);
}
