/*
 * row_number.c
 *	  The number of a row that is inserted directly, or gets another key.
 *
 * A row without a number gets the next one; one with a number raises its parent's
 * highest number, so that the next automatic one does not meet it. The parent's row is
 * held from then on, as by the functions: see number_cache.c.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/rel.h"

#include "core/arg_error.h"
#include "core/number_cache.h"
#include "core/row_number.h"

/* A row with another value in a column, which is of this type; errors as of trigger_column. */
HeapTuple
row_with_column(const TriggerData *trigger, HeapTuple tuple, const char *name, Oid type, Datum value, bool isnull)
{
	int			column = trigger_column(trigger, name, type);

	return heap_modify_tuple_by_cols(tuple, RelationGetDescr(trigger->tg_relation), 1, &column, &value, &isnull);
}

/*
 * Give a row that is about to stand in chat.messages or chat.chats a number,
 * or take note of the one it has. Raises 23503 if it has no parent, 22003 for a number
 * below 1, 54000 if there is none left.
 */
NumberedRow
row_number_give(const TriggerData *trigger, HeapTuple tuple)
{
	bool		is_message = trigger_is_on(trigger, TABLE_MESSAGES);
	const char *noun = is_message ? "message" : "chat";
	NumberedRow row = {.tuple = tuple, .parent.chat = COUNTER_OF_CHATS};
	bool		isnull;
	bool		unnumbered;
	NumberCounter counter;

	row.number = DatumGetInt32(trigger_value(trigger, tuple, "number", INT4OID, &unnumbered));
	if (!unnumbered && number_cache_in_function())
		return row;

	/* A null in the rest of the key is the table's own error. */
	row.parent.application = DatumGetInt32(trigger_value(trigger, tuple, "application_id", INT4OID, &isnull));
	if (!isnull && is_message)
		row.parent.chat = DatumGetInt32(trigger_value(trigger, tuple, "chat_number", INT4OID, &isnull));
	if (isnull)
		return row;

	if (!unnumbered && row.number < 1)
		arg_error_raise(arg_error_number_range(noun, row.number));
	if (is_message && row.parent.chat == COUNTER_OF_CHATS)
		number_cache_raise_no_chat(row.parent);

	counter = number_cache_get(row.parent);
	if (unnumbered)
	{
		if (counter.last_number == PG_INT32_MAX)
			arg_error_raise(arg_error_numbers_exhausted(noun));
		row.number = counter.last_number + 1;
		row.tuple = row_with_column(trigger, tuple, "number", INT4OID, Int32GetDatum(row.number), false);
	}
	number_cache_raise(row.parent, row.number);
	row.filled_in = !unnumbered && row.number <= counter.last_before;
	row.counted = true;
	return row;
}
