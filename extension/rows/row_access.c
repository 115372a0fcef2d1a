/*
 * row_access.c
 *	  Tables opened to have their rows accessed without statements.
 *
 * This replaces the executor's part in a statement: locks, which are kept until
 * the transaction ends; a command id; a snapshot. No code of others runs until
 * the tables are closed, so the current user and the search_path do not matter:
 * the right to execute the function is enough.
 *
 * The snapshot is the calling statement's as long as that will do. A row that
 * it sees is changed only if it is the last version, and the change itself
 * tells: so a row that others changed or deleted since, and one that is not
 * found, are looked up once more with a fresh snapshot, as the executor would
 * do. In a transaction that has one snapshot from its beginning there is no
 * fresher one, and a row that others changed is an error, 40001.
 */
#include "postgres.h"

#include "access/parallel.h"
#include "access/relation.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "executor/executor.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "rows/row_access.h"

static LOCKMODE
lock_for(uint8 uses)
{
	if (uses & (ROW_USE(ROW_UPDATE) | ROW_USE(ROW_INSERT)))
		return RowExclusiveLock;
	return uses & ROW_USE(ROW_REFERENCE) ? RowShareLock : AccessShareLock;
}

/* Returns whether a table is plain with regard to the operations. */
static bool
is_plain(const PlainTable *table, uint8 uses)
{
	for (int operation = 0; operation < ROW_OPERATIONS; operation++)
		if ((uses & ROW_USE(operation)) && table->obstacles[operation] != NULL)
			return false;
	return true;
}

/* Open and lock a table, if it is plain, and still is once it is locked. */
static bool
open_table(OpenTable *table, ChatTable which, uint8 uses)
{
	table->which = which;
	table->lock = lock_for(uses);
	for (;;)
	{
		table->plain = known_tables_look(which);
		if (!is_plain(table->plain, uses))
			return false;
		table->relation = try_relation_open(table->plain->oid, table->lock);
		if (table->relation != NULL && known_tables_are_known(which))
			break;
		/* It changed before it was locked. */
		if (table->relation != NULL)
			relation_close(table->relation, table->lock);
		table->relation = NULL;
	}
	if (uses & ROW_USE(ROW_UPDATE))
		CheckCmdReplicaIdentity(table->relation, CMD_UPDATE);
	return true;
}

/*
 * Returns an index of the table. Its lock is kept until the transaction ends.
 */
Relation
row_access_index(OpenTable *table, int index)
{
	if (table->indexes[index] == NULL)
		table->indexes[index] = index_open(table->plain->indexes[index].oid,
										   table->lock == AccessShareLock ? AccessShareLock : RowExclusiveLock);
	return table->indexes[index];
}

/* Returns the slot for rows that are looked up. */
TupleTableSlot *
row_access_found(OpenTable *table)
{
	if (table->found == NULL)
		table->found = table_slot_create(table->relation, NULL);
	return table->found;
}

/* Returns the slot for rows that are written. */
TupleTableSlot *
row_access_made(OpenTable *table)
{
	if (table->made == NULL)
		table->made = MakeSingleTupleTableSlot(RelationGetDescr(table->relation), &TTSOpsVirtual);
	return table->made;
}

static void
close_table(OpenTable *table)
{
	if (table->relation == NULL)
		return;
	if (table->made != NULL)
		ExecDropSingleTupleTableSlot(table->made);
	if (table->found != NULL)
		ExecDropSingleTupleTableSlot(table->found);
	for (int i = 0; i < PLAIN_KEYS_MAX; i++)
		if (table->scans[i] != NULL)
			index_endscan(table->scans[i]);
	if (table->estate != NULL)
		FreeExecutorState(table->estate);
	for (int i = 0; i < table->plain->indexes_count; i++)
		if (table->indexes[i] != NULL)
			index_close(table->indexes[i], NoLock);
	relation_close(table->relation, NoLock);
}

/*
 * Take a fresh snapshot for lookups: it has everything that was committed, or
 * done by this transaction, before this call.
 */
void
row_access_refresh(RowAccess *access)
{
	if (access->fresh)
		PopActiveSnapshot();
	PushActiveSnapshot(GetTransactionSnapshot());
	access->snapshot = GetActiveSnapshot();
	access->fresh = true;
	access->refreshes++;
}

/* Have what was written so far in this call seen by what comes, which may change it once more. */
void
row_access_next_command(RowAccess *access)
{
	CommandCounterIncrement();
	access->command = GetCurrentCommandId(true);
	row_access_refresh(access);
}

/*
 * Open the tables that are used, or none if only statements can do the
 * operations. Raises the errors of chat_tables_owner, as statements would.
 */
static bool
open_tables(RowAccess *access, RowUses uses)
{
	memset(access, 0, sizeof(RowAccess));
	if (!ActiveSnapshotSet() || known_tables_obstacle() != NULL)
		return false;
	(void) chat_tables_owner();
	for (ChatTable i = 0; i < KNOWN_TABLES; i++)
		if (uses.tables[i] != 0 && !open_table(&access->tables[i], i, uses.tables[i]))
		{
			for (int j = 0; j < (int) i; j++)
				close_table(&access->tables[j]);
			return false;
		}
	return true;
}

/*
 * Open the tables that are used. Returns false, and opens none, if only
 * statements can do the operations, or have to raise an error.
 */
bool
row_access_begin(RowAccess *access, RowUses uses)
{
	if (XactReadOnly || IsInParallelMode() || !open_tables(access, uses))
		return false;
	CommandCounterIncrement();
	access->command = GetCurrentCommandId(true);
	access->snapshot = GetActiveSnapshot();
	if (access->snapshot->snapshot_type != SNAPSHOT_MVCC || access->snapshot->curcid != access->command)
		row_access_refresh(access);
	return true;
}

/*
 * Do the same for reading only, with the snapshot of the calling statement.
 * This also works on a standby.
 */
bool
row_access_begin_reading(RowAccess *access, RowUses uses)
{
	if (!ActiveSnapshotSet() || GetActiveSnapshot()->snapshot_type != SNAPSHOT_MVCC || !open_tables(access, uses))
		return false;
	access->snapshot = GetActiveSnapshot();
	return true;
}

/*
 * Close the tables. After an error, the abort of the (sub)transaction does
 * that.
 */
void
row_access_end(RowAccess *access)
{
	for (int i = 0; i < KNOWN_TABLES; i++)
		close_table(&access->tables[i]);
	if (access->fresh)
		PopActiveSnapshot();
}
