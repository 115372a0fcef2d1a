/*
 * change_log.c
 *	  Chats that changed, in the order of the commits.
 *
 * Each database has a log of the chats that committed transactions changed. It
 * is read by the worker, and by sessions that wait for changes; each knows its
 * position, and reads on from there. It is only a hint of where to look: a log
 * that begins after a reader's position, since it was lost in a crash or had to
 * drop its beginning, tells that reader that any chat may have changed.
 *
 * Positions count changes, from the time at which the log was begun, in
 * microseconds: so one of before a restart lies before the log's beginning,
 * as long as there are fewer than a million changes a second.
 *
 * The log is a list of chunks. What the worker has yet to take is kept, up to a
 * quarter of the room, so that a busy database leaves some to the others; and
 * some more for the sessions. A chat that changes again before anybody has read
 * of it is not added again: a small table of those noted last recognizes most.
 *
 * All this takes the lock of the database for a moment. While nobody reads,
 * nothing is added and no lock is taken; so who begins then has to look
 * everywhere.
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

/* Chunks of one database, at most; and those that stay for sessions to read. */
#define LOG_CHUNKS_MAX (SHARED_CHUNKS / 4)
#define LOG_CHUNKS_KEPT 64

/* What a session is told of at once, at most: more are any chat. */
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

/* Whether anybody reads the log. */
static bool
is_read(const SharedChangeLog *log)
{
	return log->listening || log->sessions > 0;
}

/* Somebody may have read what lies before this position, and not know of what is added after it. */
static uint64
read_position(const SharedChangeLog *log)
{
	return Max(log->start, Max(log->told, log->listening ? log->taken : 0));
}

/* Drop the first chunks, but for those that somebody may still want, and leave so many. */
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
 * Whether anybody reads this database's log. Read without the lock, after the
 * commit: who begins to read after this looks everywhere, and sees what this
 * transaction did.
 */
bool
change_log_is_read(void)
{
	SharedDatabase *entry = shmem_available() ? shmem_own_database() : NULL;

	pg_memory_barrier();
	return entry != NULL && is_read(&entry->changes);
}

/*
 * Add chats that a committed transaction changed; a null array stands for any
 * chat. Wakes those who wait.
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

/* Add chats that were changed by a transaction which is committed. */
void
change_log_add(const ChatKey *chats, int count)
{
	add(chats, count);
}

/* Any chats may have changed. */
void
change_log_add_all(void)
{
	add(NULL, 0);
}

/*
 * Keep in mind that a transaction which changed something is prepared.
 */
void
change_log_note_prepared(void)
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

/*
 * Be a session that reads the log, until the process ends. Returns false if
 * this database has none: there is no shared memory, or no room in it.
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
	/* Nobody has added what changed since the last reader left. */
	if (!is_read(&entry->changes))
		change_log_forget(&entry->changes);
	entry->changes.sessions++;
	shmem_unlock_database(entry);
	before_shmem_exit(leave, (Datum) 0);
	joined = true;
	return true;
}

/* The end of the log. */
static uint64
end_position(void)
{
	SharedDatabase *entry = shmem_lock_database(MyDatabaseId, false, LW_SHARED);
	uint64		end = entry->changes.end;

	shmem_unlock_database(entry);
	return end;
}

/*
 * As a session that has joined: wait, for timeout_ms at most, until the log's
 * end is another than the position. Returns whether it is.
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

/* Copy the changes from a position on, which is in the log. The caller has locked the database. */
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
 * As a session that has joined: what changed since a position, in the current
 * memory context.
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
 * As the worker: from now on learn of changes, or no more. Who begins has to
 * look everywhere.
 */
void
change_log_listen(bool listen)
{
	SharedDatabase *entry = shmem_lock_database(MyDatabaseId, false, LW_EXCLUSIVE);

	if (entry != NULL && entry->worker_pid == MyProcPid)
	{
		if (!entry->changes.listening)
			entry->changes.taken = 0;
		entry->changes.listening = listen;
	}
	shmem_unlock_database(entry);
}

/*
 * As the worker: whether there is anything to take.
 */
bool
change_log_has_untaken(void)
{
	SharedDatabase *entry = shmem_lock_database(MyDatabaseId, false, LW_SHARED);
	bool		found = entry != NULL && entry->changes.listening && entry->changes.taken < entry->changes.end;

	shmem_unlock_database(entry);
	return found;
}

/*
 * As the worker: take what changed since it last did, in the current memory
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
 * How many changes the worker has yet to take. Null where it does not listen, or
 * nobody knows how many they are.
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
