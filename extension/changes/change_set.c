/*
 * change_set.c
 *	  Chats that changed, told to the worker.
 *
 * Each database has a set of the chats that changed since its worker last asked.
 * It is only a hint of where to look first: it is lost in a crash, and replaced
 * by the remark that any chat may have changed when it has too many. A database
 * has a quarter of the room at most, so that a busy one leaves some to the
 * others.
 *
 * The set is a list of chunks, to which chats are appended, and which the worker
 * takes off as a whole: both take the lock of the database for a moment. A chat
 * may be in it more than once; one that changes again and again is recognized by
 * a small table of those noted last.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "fmgr.h"
#include "miscadmin.h"

#include "changes/change_set.h"
#include "common/sql_signature.h"

PG_FUNCTION_INFO_V1(chat_pending_changes);

/* Changed chats of one database, at most. */
#define CHANGE_SET_MAX (SHARED_CHUNKS / 4 * CHUNK_KEYS)

/*
 * Forget the chats. The caller has locked the database.
 */
static void
clear(SharedChangeSet *set)
{
	set->count = 0;
	set->first_chunk = set->last_chunk = NO_CHUNK;
	memset(set->noted, 0, sizeof(set->noted));
}

/*
 * Instead of the chats, remember that any may have changed. The caller has
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
 * Whether to keep what this transaction changes, for this database's worker: it
 * wants to know, or has not said so yet. When it begins to listen it looks
 * everywhere, but does not see what is not committed. Read without the lock:
 * being told a moment late costs nothing, since who begins to listen for good
 * waits for the transactions that are under way.
 */
bool
change_set_is_wanted(void)
{
	SharedDatabase *entry = shmem_available() ? shmem_own_database() : NULL;

	return entry != NULL && (entry->changes.listening || !entry->changes.settled);
}

/*
 * Add chats that were changed by a transaction which is committed. Wakes the
 * worker for the first of them.
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

/* Any chats may have changed. */
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

/*
 * Keep in mind that a transaction which changed something is prepared.
 */
void
change_set_note_prepared(void)
{
	SharedDatabase *entry = shmem_lock_database(MyDatabaseId, true, LW_EXCLUSIVE);

	if (entry != NULL)
		entry->changes.prepared = true;
	shmem_unlock_database(entry);
}

/*
 * A prepared transaction was committed: if one of this database changed
 * something, any chats may have changed.
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

/*
 * As the worker: from now on learn of changes, or no more.
 */
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

/*
 * As the worker: whether there is nothing to take.
 */
bool
change_set_is_empty(void)
{
	SharedDatabase *entry = shmem_lock_database(MyDatabaseId, false, LW_SHARED);
	bool		changed = entry != NULL && has_changes(&entry->changes);

	shmem_unlock_database(entry);
	return !changed;
}

/*
 * As the worker: take the chats that changed, in an array in the current memory
 * context; *all tells that there may be others. Returns their number; a chat may
 * be there more than once.
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
 * Null where nobody listens, or nobody knows how many they are.
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
