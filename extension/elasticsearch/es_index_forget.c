/*
 * es_index_forget.c
 *	  Deleting what chat_internal has about an index.
 *
 * An index may have millions of watermarks and queued messages, so they are
 * deleted in slices, each in a transaction of its own.
 */
#include "postgres.h"

#include "catalog/pg_type.h"

#include "bgworker/worker.h"
#include "bgworker/worker_xact.h"
#include "common/spi_plan.h"
#include "elasticsearch/es_index_forget.h"

/* Rows that are deleted in one transaction, at most. */
#define DELETED_MAX "10000"

/*
 * Repeat a statement that deletes up to DELETED_MAX rows of the index with this
 * id, until none are left. Other jobs run in between.
 */
static void
delete_in_slices(SavedPlan *plan, int32 id, const char *activity)
{
	Datum		value = Int32GetDatum(id);
	uint64		deleted;

	do
	{
		worker_xact_begin(activity);
		deleted = spi_plan_write(plan, &value, NULL);
		worker_xact_commit();
		(void) worker_do_other_job();
	} while (deleted == atoi(DELETED_MAX));
}

/* Delete the watermarks of an index: its messages are pending again. */
static void
delete_watermarks(int32 id)
{
	static SavedPlan plan = SAVED_PLAN(
		"DELETE FROM chat_internal.search_watermarks WHERE ctid = ANY (ARRAY("
		"SELECT ctid FROM chat_internal.search_watermarks WHERE index_id = $1 LIMIT " DELETED_MAX "))", INT4OID);

	delete_in_slices(&plan, id, "deleting what is noted of an index");
}

/* The same for watermarks inserted since, in the transaction after which there are none. */
static void
delete_last_watermarks(int32 id)
{
	static SavedPlan plan = SAVED_PLAN(
		"DELETE FROM chat_internal.search_watermarks WHERE index_id = $1", INT4OID);
	Datum		value = Int32GetDatum(id);

	spi_plan_write(&plan, &value, NULL);
}

/*
 * Delete the row of an index, its watermarks and its queue, in several
 * transactions. The queue goes last: wherever this is interrupted, changes are
 * queued for the index as long as it has a row.
 */
void
es_index_row_delete(const EsIndex *index)
{
	static SavedPlan row = SAVED_PLAN(
		"DELETE FROM chat_internal.search_indexes WHERE id = $1", INT4OID);
	static SavedPlan queue = SAVED_PLAN(
		"DELETE FROM chat_internal.search_queue WHERE ctid = ANY (ARRAY("
		"SELECT ctid FROM chat_internal.search_queue WHERE index_id = $1 LIMIT " DELETED_MAX "))", INT4OID);
	Datum		value = Int32GetDatum(index->id);

	delete_watermarks(index->id);
	worker_xact_begin("forgetting an index");
	spi_plan_write(&row, &value, NULL);
	delete_last_watermarks(index->id);
	worker_xact_commit();
	delete_in_slices(&queue, index->id, "deleting what is queued for an index");
}

/*
 * Record that an index can no longer be used. Its watermarks are deleted, since
 * its contents may have changed before it can be used again.
 */
void
es_index_row_disable(const EsIndex *index)
{
	static SavedPlan plan = SAVED_PLAN(
		"UPDATE chat_internal.search_indexes SET uuid = NULL WHERE id = $1", INT4OID);
	Datum		value = Int32GetDatum(index->id);

	delete_watermarks(index->id);
	worker_xact_begin("disabling an index");
	spi_plan_write(&plan, &value, NULL);
	delete_last_watermarks(index->id);
	worker_xact_commit();
}
