/*
 * es_difference.c
 *	  Differences that a comparison found.
 */
#include "postgres.h"

#include "catalog/pg_type.h"

#include "changes/change_tracking.h"
#include "common/spi_plan.h"
#include "elasticsearch/es_difference.h"

/* The name of a kind of difference, as in chat.search_difference. */
const char *
es_difference_name(DifferenceKind kind)
{
	switch (kind)
	{
		case DIFFERENCE_MISSING:
			return "missing";
		case DIFFERENCE_STALE:
			return "stale";
		case DIFFERENCE_SURPLUS:
			return "surplus";
	}
	return NULL;
}

/* Queue the messages that differ for an index, to be indexed anew. Connected to SPI. */
void
es_difference_queue(int32 index, const Difference *differences, int count)
{
	static SavedPlan plan = SAVED_PLAN(
		"INSERT INTO chat_internal.search_queue (index_id, application_id, chat_number, number)"
		" SELECT $1, k.application_id, k.chat_number, k.number"
		" FROM ROWS FROM (unnest($2), unnest($3), unnest($4)) AS k (application_id, chat_number, number)",
		INT4OID, INT4ARRAYOID, INT4ARRAYOID, INT4ARRAYOID);
	MessageKey *keys = palloc(count * sizeof(MessageKey));
	Datum		values[4] = {Int32GetDatum(index)};

	for (int i = 0; i < count; i++)
		keys[i] = differences[i].key;
	message_keys_to_arrays(keys, count, values + 1);
	spi_plan_write(&plan, values, NULL);
	change_tracking_note(keys[0].application, keys[0].chat);
}
