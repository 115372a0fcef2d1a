/*
 * change_log.c
 *	  The log of changed chats, in the order of the commits.
 *
 * Each database has a log of the chats that committed transactions changed.
 * Its readers are the worker, and sessions that wait for changes; each has a
 * position, and continues from there. The log is only a hint of where to look:
 * if it begins after a reader's position, because it was lost in a crash or
 * had to drop its beginning, that reader is told that any chat may have
 * changed.
 *
 * Positions count changes, starting from the time at which the log was begun,
 * in microseconds: so positions from before a restart lie before the beginning
 * of the log, as long as there are fewer than a million changes a second.
 *
 * The log is a list of chunks. It keeps the changes that the worker has not
 * taken, up to a quarter of all chunks, so that a busy database leaves some to
 * others; and some more for sessions. A chat that changes again before anybody
 * has read its last change is not added again: a small table of recently noted
 * chats recognizes most repetitions.
 *
 * All of this takes the lock of the database only for a moment. While nobody
 * reads, nothing is added and no lock is taken; so a new reader has to look
 * everywhere first.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "changes/change_log.h"
#include "common/compat.h"
#include "common/sql_signature.h"

PG_FUNCTION_INFO_V1(chat_pending_changes);

/* The most chunks of one database, and the number that is kept for sessions. */
#define LOG_CHUNKS_MAX (SHARED_CHUNKS / 4)
#define LOG_CHUNKS_KEPT 64

/*
 * The most changes that a session gets at once; if there are more, it is told
 * that any chat may have changed.
 */
#define SESSION_CHANGES_MAX (LOG_CHUNKS_KEPT * CHUNK_KEYS)

/*
 * Instead of the changes, tell all readers that any chat may have changed. The
 * caller has locked the database.
 */
void
change_log_forget(SharedChangeLog *log)
{
	shmem_give_chunks(log->first_chunk, log->last_chunk);
	log->first_chunk = log->last_chunk = NO_CHUNK;
	log->chunks = 0;
	log->start = ++log->end;
}

/* Returns whether anybody reads the log. */
static bool
is_read(const SharedChangeLog *log)
{
	return log->listening || log->sessions > 0;
}

/*
 * Returns the position up to which somebody may have read: a change that was
 * noted before it must be added again.
 */
static uint64
read_position(const SharedChangeLog *log)
{
	return Max(log->start, Max(log->told, log->listening ? log->taken : 0));
}

/* Drop the first chunks that nobody needs, until as many are left. */
static void
trim(SharedChangeLog *log, int leave)
{
	uint64		wanted = log->listening && log->taken >= log->start ? log->taken : log->end;

	while (log->chunks > leave)
	{
		int			first = log->first_chunk;
		const ChangeChunk *chunk = shmem_chunk(first);

		if (log->start + chunk->count > wanted)
			return;
		log->start += chunk->count;
		log->first_chunk = chunk->next;
		log->chunks--;
		shmem_give_chunks(first, first);
	}
}

/* Append an empty chunk. Returns NULL if there is no room. */
static ChangeChunk *
add_chunk(SharedChangeLog *log)
{
	int			taken;

	trim(log, log->sessions > 0 ? LOG_CHUNKS_KEPT - 1 : 1);
	if (log->chunks == LOG_CHUNKS_MAX)
		return NULL;
	taken = shmem_take_chunk();
	if (taken == NO_CHUNK)
		return NULL;
	if (log->chunks == 0)
		log->first_chunk = taken;
	else
		shmem_chunk(log->last_chunk)->next = taken;
	log->last_chunk = taken;
	log->chunks++;
	return shmem_chunk(taken);
}

/* Append a chat. Returns false if there is no room. */
static bool
append(SharedChangeLog *log, ChatKey chat)
{
	NotedChange *noted = &log->noted[hash_bytes((const unsigned char *) &chat, sizeof(chat)) % NOTED_LAST];
	ChangeChunk *chunk = log->chunks == 0 ? NULL : shmem_chunk(log->last_chunk);

	if (noted->position >= read_position(log) && chat_key_compare(noted->chat, chat) == 0)
		return true;
	if (chunk == NULL || chunk->count == CHUNK_KEYS)
		chunk = add_chunk(log);
	if (chunk == NULL)
		return false;
	chunk->keys[chunk->count++] = chat;
	*noted = (NotedChange) {chat, log->end++};
	return true;
}

/*
 * Returns whether anybody reads the log of this database. It is checked without
 * the lock, after the commit: a reader that begins later looks everywhere, and
 * sees the transaction.
 */
bool
change_log_is_read(void)
{
	SharedDatabase *entry = shmem_available() ? shmem_own_database() : NULL;

	pg_memory_barrier();
	return entry != NULL && is_read(&entry->changes);
}

/*
 * Add chats that a committed transaction changed, or any chat if the array is
 * null. Wakes the waiting readers.
 */
static void
add(const ChatKey *chats, int count)
{
	SharedDatabase *entry = shmem_lock_database(MyDatabaseId, false, LW_EXCLUSIVE);
	bool		sessions = false;

	if (entry != NULL && is_read(&entry->changes))
	{
		SharedChangeLog *log = &entry->changes;
		bool		first = log->listening && log->taken == log->end;
		bool		room = chats != NULL;

		for (int i = 0; room && i < count; i++)
			room = append(log, chats[i]);
		if (!room)
			change_log_forget(log);
		if (first && entry->worker_latch != NULL)
			SetLatch(entry->worker_latch);
		sessions = log->sessions > 0;
	}
	shmem_unlock_database(entry);
	if (sessions)
		ConditionVariableBroadcast(&entry->changed);
}

/* Add chats that a committed transaction changed. */
void
change_log_add(const ChatKey *chats, int count)
{
	add(chats, count);
}

/* Note that any chat may have changed. */
void
change_log_add_all(void)
{
	add(NULL, 0);
}

/* Note that a transaction which changed something is prepared. */
void
change_log_note_prepared(void)
{
	SharedDatabase *entry = shmem_lock_database(MyDatabaseId, true, LW_EXCLUSIVE);

	if (entry != NULL)
		entry->changes.prepared = true;
	shmem_unlock_database(entry);
}

/*
 * Note the commit of a prepared transaction: if one of this database changed
 * something, any chat may have changed.
 */
void
change_log_note_commit_prepared(void)
{
	SharedDatabase *entry = shmem_lock_database(MyDatabaseId, false, LW_SHARED);
	bool		prepared = entry != NULL && entry->changes.prepared;

	shmem_unlock_database(entry);
	if (prepared)
		change_log_add_all();
}

static void
leave(int code, Datum argument)
{
	SharedDatabase *entry = shmem_lock_database(MyDatabaseId, false, LW_EXCLUSIVE);

	if (entry != NULL && entry->changes.sessions > 0)
		entry->changes.sessions--;
	shmem_unlock_database(entry);
}

/* Let a reader begin: if there was none, changes since the last one left were not added. */
static void
begin_to_read(SharedChangeLog *log)
{
	if (!is_read(log))
		change_log_forget(log);
}

/*
 * Make this session a reader of the log, until the process ends. Returns false
 * if this database has no log, because there is no shared memory, or no room in
 * it.
 */
bool
change_log_join(void)
{
	static bool joined = false;
	SharedDatabase *entry;

	if (joined || !shmem_available())
		return joined;
	entry = shmem_lock_database(MyDatabaseId, true, LW_EXCLUSIVE);
	if (entry == NULL)
		return false;
	begin_to_read(&entry->changes);
	entry->changes.sessions++;
	shmem_unlock_database(entry);
	before_shmem_exit(leave, (Datum) 0);
	joined = true;
	return true;
}

/* Returns the position of the end of the log. */
static uint64
end_position(void)
{
	SharedDatabase *entry = shmem_lock_database(MyDatabaseId, false, LW_SHARED);
	uint64		end = entry->changes.end;

	shmem_unlock_database(entry);
	return end;
}

/*
 * For a session that has joined: wait, for at most timeout_ms, until the end of
 * the log differs from the position. Returns whether it does.
 */
bool
change_log_wait(uint64 position, long timeout_ms)
{
	TimestampTz deadline = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), timeout_ms);
	ConditionVariable *changed = &shmem_own_database()->changed;
	bool		found;

	ConditionVariablePrepareToSleep(changed);
	while ((found = end_position() != position) == false)
	{
		long		wait_ms = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), deadline);

		if (wait_ms <= 0)
			break;
		ConditionVariableTimedSleep(changed, wait_ms, compat_wait_event("ChatChanges"));
	}
	ConditionVariableCancelSleep();
	return found;
}

/*
 * Copy the changes from a position on, which is within the log. The caller has
 * locked the database.
 */
static void
copy(const SharedChangeLog *log, uint64 position, ChangesSince *result)
{
	uint64		start = log->start;

	for (int chunk = log->first_chunk; chunk != NO_CHUNK; chunk = shmem_chunk(chunk)->next)
	{
		const ChangeChunk *part = shmem_chunk(chunk);
		int			skip = position > start ? Min(position - start, part->count) : 0;

		memcpy(&result->chats[result->count], &part->keys[skip], (part->count - skip) * sizeof(ChatKey));
		result->count += part->count - skip;
		start += part->count;
	}
}

/*
 * For a session that has joined: return the changes since a position, in the
 * current memory context.
 */
ChangesSince
change_log_read(uint64 position)
{
	ChangesSince result = {.chats = palloc(SESSION_CHANGES_MAX * sizeof(ChatKey))};
	SharedDatabase *entry = shmem_lock_database(MyDatabaseId, false, LW_EXCLUSIVE);
	SharedChangeLog *log = &entry->changes;

	result.position = log->end;
	result.all = position < log->start || position > log->end || log->end - position > SESSION_CHANGES_MAX;
	if (!result.all)
		copy(log, position, &result);
	log->told = log->end;
	shmem_unlock_database(entry);
	return result;
}

/*
 * For the worker: start or stop reading. After a start, it has to look
 * everywhere.
 */
void
change_log_listen(bool listen)
{
	SharedDatabase *entry = shmem_lock_database(MyDatabaseId, false, LW_EXCLUSIVE);

	if (entry != NULL && entry->worker_pid == MyProcPid)
	{
		if (listen && !entry->changes.listening)
		{
			begin_to_read(&entry->changes);
			entry->changes.taken = 0;
		}
		entry->changes.listening = listen;
	}
	shmem_unlock_database(entry);
}

/* For the worker: returns whether there are changes to take. */
bool
change_log_has_untaken(void)
{
	SharedDatabase *entry = shmem_lock_database(MyDatabaseId, false, LW_SHARED);
	bool		found = entry != NULL && entry->changes.listening && entry->changes.taken < entry->changes.end;

	shmem_unlock_database(entry);
	return found;
}

/*
 * For the worker: take the changes since the last call, in the current memory
 * context.
 */
ChangesSince
change_log_take(void)
{
	ChangesSince result = {.chats = palloc(LOG_CHUNKS_MAX * CHUNK_KEYS * sizeof(ChatKey))};
	SharedDatabase *entry = shmem_lock_database(MyDatabaseId, false, LW_EXCLUSIVE);

	if (entry != NULL)
	{
		SharedChangeLog *log = &entry->changes;

		result.position = log->end;
		result.all = log->taken < log->start;
		if (!result.all)
			copy(log, log->taken, &result);
		log->taken = log->end;
		trim(log, log->sessions > 0 ? LOG_CHUNKS_KEPT : 1);
	}
	shmem_unlock_database(entry);
	return result;
}

/*
 * chat_internal.pending_changes() returns bigint
 *
 * Returns the number of changes that the worker has not taken yet; null if it
 * does not listen, or if the number is not known.
 */
Datum
chat_pending_changes(PG_FUNCTION_ARGS)
{
	static SqlSignature signature = {SQL_RETURNS(INT8OID), .any_version = true};
	SharedDatabase *entry;
	int64		changes = -1;

	sql_signature_check(fcinfo, &signature, InvalidOid);
	if (!shmem_available())
		PG_RETURN_NULL();
	entry = shmem_lock_database(MyDatabaseId, false, LW_SHARED);
	if (entry != NULL && entry->changes.listening && entry->changes.taken >= entry->changes.start)
		changes = entry->changes.end - entry->changes.taken;
	shmem_unlock_database(entry);
	if (changes < 0)
		PG_RETURN_NULL();
	PG_RETURN_INT64(changes);
}
