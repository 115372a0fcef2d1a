/*
 * row_update.c
 *	  A new version of a row that was found.
 *
 * A row that this transaction inserted may have a check of its own reference
 * pending, which an update would have to queue anew. That is left to a statement.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "commands/trigger.h"
#include "utils/rel.h"

#include "common/compat.h"
#include "rows/index_entries.h"
#include "rows/row_update.h"
#include "rows/tid_cache.h"

static bool
has_pending_checks(OpenTable *table)
{
	return row_found_is_own(table) && AfterTriggerPendingOnRel(RelationGetRelid(table->relation));
}

/*
 * Begin a new version of the row that was found, as the old one. Returns NULL if only
 * a statement can update the row.
 */
TupleTableSlot *
row_update_copy_found(OpenTable *table)
{
	TupleTableSlot *found = table->found;
	TupleTableSlot *made = row_access_made(table);

	if (has_pending_checks(table))
		return NULL;
	slot_getallattrs(found);
	ExecClearTuple(made);
	memcpy(made->tts_values, found->tts_values, found->tts_nvalid * sizeof(Datum));
	memcpy(made->tts_isnull, found->tts_isnull, found->tts_nvalid * sizeof(bool));
	return ExecStoreVirtualTuple(made);
}

/* Set a column of the new version, before that is written. */
void
row_update_set(OpenTable *table, int column, Datum value, bool isnull)
{
	AttrNumber	number = table->plain->columns[column];

	table->made->tts_values[number - 1] = value;
	table->made->tts_isnull[number - 1] = isnull;
}

/*
 * Update the row that was found, and make the entries of its new version in
 * the indexes if it has found no room in the old one's page.
 */
TM_Result
row_update_found(RowAccess *access, OpenTable *table, const RowKey *key, TupleTableSlot *made)
{
	TM_FailureData failure;
	LockTupleMode mode;
	compat_update_indexes update_indexes;
	TM_Result	result = table_tuple_update(table->relation, &table->found->tts_tid, made, access->command,
											access->snapshot, InvalidSnapshot, true, &failure, &mode,
											&update_indexes);

	if (result != TM_Ok)
		return result;
	if (compat_any_index(update_indexes))
	{
		index_entries_insert(table, made, true);
		tid_cache_put_root(table->which, key->hash, &made->tts_tid);
	}
	tid_cache_put_version(table->which, key->hash, &made->tts_tid);
	return TM_Ok;
}
