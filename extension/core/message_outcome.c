/*
 * message_outcome.c
 *	  What became of a message of a call for many.
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "core/message_outcome.h"

/* Store the outcome of an item: a row of chat.outcome. */
void
message_outcome_store(RowStore store, int item, const MessageInsert *message)
{
	const ArgError *problem = &message->problem;
	bool		refused = problem->sqlstate != 0;
	bool		number_known = !refused || problem->sqlstate == ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE;
	Datum		values[8] = {
		Int32GetDatum(item), Int32GetDatum(message->number), 0, 0, 0,
		TimestampTzGetDatum(message->created_at), Int32GetDatum(message->revision), BoolGetDatum(message->replayed)
	};
	bool		nulls[8] = {
		false, !number_known, !refused, true, !refused, message->created_at == 0, refused || message->revision == 0, refused
	};

	if (refused)
	{
		values[2] = CStringGetTextDatum(unpack_sql_state(problem->sqlstate));
		if (problem->field != NULL)
		{
			values[3] = CStringGetTextDatum(problem->field);
			nulls[3] = false;
		}
		values[4] = CStringGetTextDatum(problem->message);
	}
	tuplestore_putvalues(store.rows, store.descriptor, values, nulls);
}
