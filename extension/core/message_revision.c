/*
 * message_revision.c
 *	  The revision of a message that is inserted or updated directly.
 *
 * A reader who has seen a chat up to some number and some revision finds what came
 * after by higher ones. So the next revision of the chat, taken under its lock like a
 * number, goes to whatever such a reader would miss else: a message whose content is
 * changed, and one that is inserted with a number at or below the highest.
 *
 * A row that is inserted has revision 0, the column's default, unless the statement
 * names one. One that is named is kept, also null: a restore puts rows back as they
 * were, when the chat has its highest number already.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/datum.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "common/compat.h"
#include "common/message_columns.h"
#include "common/spi_plan.h"
#include "common/table_owner.h"
#include "core/message_revision.h"
#include "core/number_cache.h"

/* The next revision of a chat. */
static Datum
next_revision(ChatKey chat)
{
	return Int32GetDatum(number_cache_take_revisions(chat, 1) + 1);
}

static bool
is_deleted(const TriggerData *trigger, HeapTuple tuple)
{
	bool		isnull;

	(void) trigger_value(trigger, tuple, "deleted_at", TIMESTAMPTZOID, &isnull);
	return !isnull;
}

/* Whether there is a message with this key: a row that is to be inserted will meet it, and not be. */
static bool
exists(ChatKey chat, int32 number)
{
	static SavedPlan plan = SAVED_PLAN(
		"SELECT FROM chat.messages WHERE application_id = $1 AND chat_number = $2 AND number = $3",
		INT4OID, INT4OID, INT4OID);
	Datum		values[3] = {Int32GetDatum(chat.application), Int32GetDatum(chat.chat), Int32GetDatum(number)};
	TableOwnerSwitch caller = table_owner_become(OWNER_SEES_ALL);
	bool		found = spi_plan_write_latest(&plan, values) > 0;

	table_owner_leave(caller);
	return found;
}

/*
 * The row of a message that is about to be inserted, with its revision. A tombstone has
 * one in any case: they are counted by it.
 */
HeapTuple
message_revision_of_inserted(const TriggerData *trigger, const NumberedRow *row)
{
	bool		isnull;
	int32		revision = DatumGetInt32(trigger_value(trigger, row->tuple, "revision", INT4OID, &isnull));
	bool		named = isnull || revision != 0;
	bool		wanted = named ? isnull && is_deleted(trigger, row->tuple) :
		row->filled_in || is_deleted(trigger, row->tuple);

	if (wanted && !exists(row->parent, row->number))
		return row_with_column(trigger, row->tuple, "revision", INT4OID, next_revision(row->parent), false);
	if (!named)
		return row_with_column(trigger, row->tuple, "revision", INT4OID, (Datum) 0, true);
	if (revision > 0)
		number_cache_raise_revision(row->parent, revision);
	return row->tuple;
}

/* Whether a column of two rows is the same to the byte, as far as that can be told without reading long values. */
static bool
is_same(TupleDesc descriptor, const char *name, HeapTuple a, HeapTuple b)
{
	int			number = SPI_fnumber(descriptor, name);
	Form_pg_attribute attribute;
	bool		a_isnull;
	bool		b_isnull;
	Datum		a_value;
	Datum		b_value;

	if (number <= 0)
		return true;
	attribute = TupleDescAttr(descriptor, number - 1);
	a_value = heap_getattr(a, number, descriptor, &a_isnull);
	b_value = heap_getattr(b, number, descriptor, &b_isnull);
	if (a_isnull || b_isnull)
		return a_isnull == b_isnull;
	/* A long value that an update leaves alone is the same reference to it. */
	return datumIsEqual(a_value, b_value, attribute->attbyval, attribute->attlen) ||
		datum_image_eq(a_value, b_value, attribute->attbyval, attribute->attlen);
}

/* Whether an update changes the content of a message. */
static bool
changes_content(TupleDesc descriptor, HeapTuple before, HeapTuple after)
{
#define IS_SAME(argument, NAME, name, TYPE) is_same(descriptor, #name, before, after) &&
	return !(MESSAGE_CONTENT(IS_SAME,) true);
}

/*
 * The row of a message that is about to be updated, with its revision, whatever the
 * statement says of that. moved: it gets another key, and stands there like one that is
 * inserted. edited_at becomes the present, if the message is edited and the statement
 * does not set it.
 */
HeapTuple
message_revision_of_updated(const TriggerData *trigger, const NumberedRow *row, bool moved)
{
	TupleDesc	descriptor = RelationGetDescr(trigger->tg_relation);
	HeapTuple	before = trigger->tg_trigtuple;
	HeapTuple	after = row->tuple;
	bool		changed = changes_content(descriptor, before, after);
	bool		isnull;
	Datum		revision = trigger_value(trigger, before, "revision", INT4OID, &isnull);

	if (changed && is_same(descriptor, "edited_at", before, after) && is_same(descriptor, "deleted_at", before, after) &&
		!is_deleted(trigger, after))
		after = row_with_column(trigger, after, "edited_at", TIMESTAMPTZOID, TimestampTzGetDatum(GetCurrentTimestamp()), false);
	if (moved ? row->filled_in || is_deleted(trigger, after) : changed)
		return row_with_column(trigger, after, "revision", INT4OID, next_revision(row->parent), false);
	if (moved)
		return row_with_column(trigger, after, "revision", INT4OID, (Datum) 0, true);
	return is_same(descriptor, "revision", before, after) ? after :
		row_with_column(trigger, after, "revision", INT4OID, revision, isnull);
}

/* Whether a trigger of others looks at each row that is updated after ours has. */
static bool
others_come_later(const TriggerData *trigger)
{
	const TriggerDesc *triggers = trigger->tg_relation->trigdesc;

	for (int i = 0; i < triggers->numtriggers; i++)
	{
		const Trigger *other = &triggers->triggers[i];

		if (TRIGGER_TYPE_MATCHES(other->tgtype, TRIGGER_TYPE_ROW, TRIGGER_TYPE_BEFORE, TRIGGER_TYPE_UPDATE) &&
			strcmp(other->tgname, "before_update") > 0)
			return true;
	}
	return false;
}

/*
 * After an UPDATE, with the trigger's transition tables: give revisions to messages
 * that a trigger of others has changed when ours had found them unchanged. As the owner.
 */
void
message_revision_of_overlooked(const TriggerData *trigger)
{
	static SavedPlan plan = SAVED_PLAN(
		"UPDATE chat.messages SET revision = $4 WHERE application_id = $1 AND chat_number = $2 AND number = $3",
		INT4OID, INT4OID, INT4OID, INT4OID);
	MessageKey *overlooked;
	uint64		count;

	if (!others_come_later(trigger))
		return;
	count = spi_execute("SELECT n.application_id, n.chat_number, n.number FROM new_rows AS n JOIN old_rows AS o"
						" USING (application_id, chat_number, number)"
						" WHERE n.revision IS NOT DISTINCT FROM o.revision"
						" AND ROW(" MESSAGE_CONTENT_COLUMNS("n") ") *<> ROW(" MESSAGE_CONTENT_COLUMNS("o") ")"
						" ORDER BY n.application_id, n.chat_number, n.number");
	overlooked = MemoryContextAllocHuge(CurrentMemoryContext, (count + 1) * sizeof(MessageKey));
	for (uint64 row = 0; row < count; row++)
		overlooked[row] = (MessageKey) {spi_result_int32(row, 1), spi_result_int32(row, 2), spi_result_int32(row, 3)};
	for (uint64 row = 0; row < count; row++)
	{
		Datum		values[4] = {
			Int32GetDatum(overlooked[row].application), Int32GetDatum(overlooked[row].chat),
			Int32GetDatum(overlooked[row].number),
			next_revision((ChatKey) {overlooked[row].application, overlooked[row].chat})
		};
		int			previous = number_cache_enter_function();

		spi_plan_write(&plan, values, NULL);
		number_cache_function_end(previous);
	}
}
