/*
 * index_entries.c
 *	  Index entries of rows that were written.
 */
#include "postgres.h"

#include "catalog/index.h"
#include "executor/executor.h"
#include "utils/rel.h"

#include "rows/index_entries.h"

/*
 * Returns the IndexInfo of an index for this call. What access methods cache in
 * it belongs to the relation as it is open now.
 */
static IndexInfo *
index_info(OpenTable *table, int index, TupleTableSlot *row)
{
	IndexInfo  *info = table->plain->indexes[index].info;

	if (info->ii_Expressions == NIL && info->ii_Predicate == NIL)
		return info;
	if (table->infos[index] == NULL)
	{
		table->infos[index] = palloc(sizeof(IndexInfo));
		*table->infos[index] = *info;
		table->infos[index]->ii_Context = CurrentMemoryContext;
		if (table->estate == NULL)
			table->estate = CreateExecutorState();
	}
	ResetPerTupleExprContext(table->estate);
	GetPerTupleExprContext(table->estate)->ecxt_scantuple = row;
	return table->infos[index];
}

/* Returns whether a row is in an index, that is, fulfils the predicate of a partial one. */
static bool
is_indexed(OpenTable *table, int index, TupleTableSlot *row)
{
	AttrNumber	condition = table->plain->indexes[index].condition;
	bool		isnull;
	IndexInfo  *info;

	if (condition == 0)
		return true;
	if (condition > row->tts_tupleDescriptor->natts)
		return false;
	(void) slot_getattr(row, condition, &isnull);
	if (isnull)
		return false;
	info = index_info(table, index, row);
	if (info->ii_PredicateState == NULL)
		info->ii_PredicateState = ExecPrepareQual(info->ii_Predicate, table->estate);
	return ExecQual(info->ii_PredicateState, GetPerTupleExprContext(table->estate));
}

/*
 * Insert the index entries of a row, which an insertion, or an update that is
 * not HOT, has put at row->tts_tid. Raises 23505 for a key that is taken.
 */
void
index_entries_insert(OpenTable *table, TupleTableSlot *row, bool update)
{
	for (int i = 0; i < table->plain->indexes_count; i++)
	{
		const PlainIndex *index = &table->plain->indexes[i];
		IndexInfo  *info;
		Datum		values[INDEX_MAX_KEYS];
		bool		nulls[INDEX_MAX_KEYS];

		if (!index->info->ii_ReadyForInserts || !is_indexed(table, i, row))
			continue;
		info = index_info(table, i, row);
		FormIndexDatum(info, row, table->estate, values, nulls);
		index_insert(row_access_index(table, i), values, nulls, &row->tts_tid, table->relation,
					 info->ii_Unique ? UNIQUE_CHECK_YES : UNIQUE_CHECK_NO,
					 update && !index->updated, info);
	}
}
