/*
 * row_lookup.c
 *	  Rows found by their key.
 *
 * A row is first looked for where it was found before (see tid_cache.c), then
 * by the index of its key. Either way, the result is the version that is
 * visible to the snapshot of the call.
 *
 * PostgreSQL prunes a heap page when it is read and fuller than its
 * fillfactor; pages of counters always are (see pg_chat.sql), and to prune one
 * costs as much as to update a row. So here a few more versions may accumulate
 * first.
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/tableam.h"
#include "catalog/pg_collation.h"
#include "common/hashfn.h"
#include "pgstat.h"
#include "storage/bufmgr.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"

#include "common/compat.h"
#include "common/message_columns.h"
#include "rows/row_lookup.h"
#include "rows/tid_cache.h"

/* Bytes beyond the fillfactor that dead versions may take: about five of them. */
#define PRUNE_SLACK (BLCKSZ / 32)

static RowKey
key_of_integers(int key, int count, const int *columns, const int32 *values)
{
	RowKey		made = {.key = key, .count = count};

	for (int i = 0; i < count; i++)
	{
		made.columns[i] = columns[i];
		made.values[i] = Int32GetDatum(values[i]);
		made.hash = hash_combine(made.hash, murmurhash32(values[i]));
	}
	return made;
}

/* The key of a row of chat.applications, by the id. */
RowKey
row_key_of_application(int32 id)
{
	return key_of_integers(KEY_FIRST, 1, (int[]) {APPLICATIONS_ID}, &id);
}

/* The key of a row of chat.application_counters. */
RowKey
row_key_of_counters(int32 application)
{
	return key_of_integers(KEY_FIRST, 1, (int[]) {COUNTERS_APPLICATION}, &application);
}

/* The key of a row of chat.chats. */
RowKey
row_key_of_chat(int32 application, int32 chat)
{
	return key_of_integers(KEY_FIRST, 2, (int[]) {CHATS_APPLICATION, CHATS_NUMBER}, (int32[]) {application, chat});
}

/* The key of a row of chat.messages. */
RowKey
row_key_of_message(int32 application, int32 chat, int32 number)
{
	return key_of_integers(KEY_FIRST, 3, (int[]) {MESSAGES_APPLICATION, MESSAGES_CHAT, MESSAGES_COLUMNS + MESSAGE_NUMBER},
						   (int32[]) {application, chat, number});
}

/* Add a column of text to a key. */
static RowKey
key_with_text(RowKey key, int column, text *value)
{
	key.columns[key.count] = column;
	key.values[key.count++] = PointerGetDatum(value);
	key.is_text = true;
	key.hash = hash_combine(key.hash, hash_bytes((unsigned char *) VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)));
	return key;
}

/* The key of a row of chat.messages, by the key that it was created with, which must live as long. */
RowKey
row_key_of_message_key(int32 application, int32 chat, text *key)
{
	return key_with_text(key_of_integers(MESSAGES_KEY_KEY, 2, (int[]) {MESSAGES_APPLICATION, MESSAGES_CHAT},
										 (int32[]) {application, chat}),
						 MESSAGES_KEY, key);
}

/* The key of a row of chat.applications, by the token, which must live as long. */
RowKey
row_key_of_token(text *token)
{
	return key_with_text((RowKey) {.key = APPLICATIONS_KEY_TOKEN}, APPLICATIONS_TOKEN, token);
}

/* Whether a column of the row that was found is null. */
bool
row_found_is_null(OpenTable *table, int column)
{
	return slot_attisnull(table->found, table->plain->columns[column]);
}

/* The value in a column, of a row that was found. */
Datum
row_found_column(OpenTable *table, int column, bool *isnull)
{
	return slot_getattr(table->found, table->plain->columns[column], isnull);
}

/* Returns the value of a column, which is never null, of the row that was found. */
Datum
row_found_value(OpenTable *table, int column)
{
	bool		isnull;

	return slot_getattr(table->found, table->plain->columns[column], &isnull);
}

static bool
text_equals(const text *a, const text *b)
{
	return VARSIZE_ANY_EXHDR(a) == VARSIZE_ANY_EXHDR(b) &&
		memcmp(VARDATA_ANY(a), VARDATA_ANY(b), VARSIZE_ANY_EXHDR(a)) == 0;
}

/* Returns whether a column of a key is of type text. */
static bool
is_text(const RowKey *key, int column)
{
	return key->is_text && column == key->count - 1;
}

/* Returns whether the row that was found has the key. */
static bool
found_has_key(OpenTable *table, const RowKey *key)
{
	for (int i = 0; i < key->count; i++)
	{
		bool		isnull;
		Datum		value = slot_getattr(table->found, table->plain->columns[key->columns[i]], &isnull);

		if (isnull || (is_text(key, i) ? !text_equals(DatumGetTextPP(value), DatumGetTextPP(key->values[i])) :
					   DatumGetInt32(value) != DatumGetInt32(key->values[i])))
			return false;
	}
	return true;
}

/* Returns whether a TID is within the table, which does not become shorter while it is in use. */
static bool
is_within(OpenTable *table, ItemPointer tid)
{
	if (table->blocks == 0)
		table->blocks = RelationGetNumberOfBlocks(table->relation);
	return ItemPointerGetBlockNumber(tid) < table->blocks;
}

static bool
wants_pruning(Relation relation, Page page)
{
	return PageIsFull(page) ||
		PageGetHeapFreeSpace(page) + PRUNE_SLACK < RelationGetTargetPageFreeSpace(relation, HEAP_DEFAULT_FILLFACTOR);
}

/*
 * Find the version that is visible to the snapshot, in the chain of versions
 * with this root. If there is none, sets all_dead to whether no transaction can
 * ever see one.
 */
static bool
fetch_from_root(RowAccess *access, OpenTable *table, ItemPointerData root, bool *all_dead)
{
	TupleTableSlot *slot = row_access_found(table);
	HeapTuple	tuple = &((BufferHeapTupleTableSlot *) slot)->base.tupdata;
	Buffer		buffer;
	bool		found;

	ExecClearTuple(slot);
	buffer = ReadBuffer(table->relation, ItemPointerGetBlockNumber(&root));
	if (wants_pruning(table->relation, BufferGetPage(buffer)))
		heap_page_prune_opt(table->relation, buffer);
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	found = heap_hot_search_buffer(&root, table->relation, buffer, access->snapshot, tuple, all_dead, true);
	LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
	if (!found)
	{
		ReleaseBuffer(buffer);
		return false;
	}
	tuple->t_self = root;
	ExecStorePinnedBufferHeapTuple(tuple, slot, buffer);
	return true;
}

/* Returns whether the row is at this TID, in a version that is visible to the snapshot. */
static bool
fetch_version(RowAccess *access, OpenTable *table, const RowKey *key, ItemPointer tid)
{
	return is_within(table, tid) &&
		table_tuple_fetch_row_version(table->relation, tid, access->snapshot, row_access_found(table)) &&
		found_has_key(table, key);
}

/* Find the row at the TID in the cache. */
static bool
find_in_cache(RowAccess *access, OpenTable *table, const RowKey *key)
{
	ItemPointerData tid;

	if ((tid_cache_find_version(table->which, key->hash, &tid) && fetch_version(access, table, key, &tid)) ||
		(tid_cache_find_version_before(table->which, key->hash, &tid) && fetch_version(access, table, key, &tid)))
		return true;
	return tid_cache_find_root(table->which, key->hash, &tid) && is_within(table, &tid) &&
		fetch_from_root(access, table, tid, NULL) && found_has_key(table, key);
}

/*
 * Find the row by the index. If many versions are kept because of an old
 * snapshot, the index has an entry for each page of them; the last version is
 * most likely in the last page, so they are read from their end.
 */
static bool
find_in_index(RowAccess *access, OpenTable *table, const RowKey *key)
{
	ScanKeyData scan_keys[PLAIN_KEY_COLUMNS_MAX];
	IndexScanDesc scan = table->scans[key->key];
	ItemPointer tid;

	if (scan == NULL)
	{
		scan = compat_index_beginscan(table->relation, row_access_index(table, table->plain->keys[key->key]),
									  access->snapshot, key->count);
		table->scans[key->key] = scan;
	}
	for (int i = 0; i < key->count; i++)
		ScanKeyEntryInitialize(&scan_keys[i], 0, i + 1, BTEqualStrategyNumber, InvalidOid,
							   is_text(key, i) ? C_COLLATION_OID : InvalidOid,
							   is_text(key, i) ? F_TEXTEQ : F_INT4EQ, key->values[i]);
	scan->xs_snapshot = access->snapshot;
	index_rescan(scan, scan_keys, key->count, NULL, 0);
	while ((tid = index_getnext_tid(scan, BackwardScanDirection)) != NULL)
	{
		ItemPointerData root = *tid;
		bool		all_dead = false;

		if (fetch_from_root(access, table, root, &all_dead))
		{
			pgstat_count_heap_fetch(scan->indexRelation);
			tid_cache_put_root(table->which, key->hash, &root);
			return true;
		}
		/* Not on a standby, where other transactions may still see it. */
		scan->kill_prior_tuple = all_dead && !scan->xactStartedInRecovery;
	}
	return false;
}

/*
 * Find the version of a row that is visible to the snapshot of the call, and
 * store it in table->found. Returns false if there is none.
 */
bool
row_lookup(RowAccess *access, OpenTable *table, const RowKey *key)
{
	return find_in_cache(access, table, key) || find_in_index(access, table, key);
}
