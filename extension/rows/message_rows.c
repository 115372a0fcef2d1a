/*
 * message_rows.c
 *	  Messages of a chat, found by their numbers.
 *
 * They are read by the index of their key, in the order of the numbers or against
 * it: what a statement would do, without the executor around each row.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/stratnum.h"
#include "access/tableam.h"
#include "miscadmin.h"
#include "utils/fmgroids.h"

#include "common/compat.h"
#include "rows/message_rows.h"

#define SCAN_KEYS 4

/*
 * Begin to find the messages of a chat with numbers above one, through another.
 */
void
message_rows_find(RowAccess *access, int32 application, int32 chat, int32 above, int32 through)
{
	OpenTable  *table = &access->tables[TABLE_MESSAGES];
	const struct
	{
		AttrNumber	column;		/* of the index */
		StrategyNumber strategy;
		RegProcedure function;
		int32		value;
	}			conditions[SCAN_KEYS] = {
		{1, BTEqualStrategyNumber, F_INT4EQ, application},
		{2, BTEqualStrategyNumber, F_INT4EQ, chat},
		{3, BTGreaterStrategyNumber, F_INT4GT, above},
		{3, BTLessEqualStrategyNumber, F_INT4LE, through}
	};
	ScanKeyData scan_keys[SCAN_KEYS];

	if (table->scans[KEY_FIRST] == NULL)
		table->scans[KEY_FIRST] = compat_index_beginscan(table->relation, row_access_index(table, table->plain->keys[KEY_FIRST]),
														 access->snapshot, SCAN_KEYS);
	for (int i = 0; i < SCAN_KEYS; i++)
		ScanKeyInit(&scan_keys[i], conditions[i].column, conditions[i].strategy, conditions[i].function,
					Int32GetDatum(conditions[i].value));
	index_rescan(table->scans[KEY_FIRST], scan_keys, SCAN_KEYS, NULL, 0);
}

/*
 * Read the next message: values of all MESSAGE_COLUMNS, valid until the next call.
 * Returns false if there is none.
 */
bool
message_rows_next(RowAccess *access, ScanDirection direction, Datum *values, bool *nulls)
{
	OpenTable  *table = &access->tables[TABLE_MESSAGES];
	TupleTableSlot *found = row_access_found(table);

	CHECK_FOR_INTERRUPTS();
	if (!index_getnext_slot(table->scans[KEY_FIRST], direction, found))
		return false;
	slot_getallattrs(found);
	for (int i = 0; i < MESSAGE_COLUMNS_COUNT; i++)
	{
		AttrNumber	column = table->plain->columns[MESSAGES_COLUMNS + i];

		values[i] = found->tts_values[column - 1];
		nulls[i] = found->tts_isnull[column - 1];
	}
	return true;
}
