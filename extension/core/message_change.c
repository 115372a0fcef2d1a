/*
 * message_change.c
 *	  A change of one message, by update_message or delete_message.
 *
 * A message is looked at first, without a lock: most that is refused, or changes
 * nothing, is known then. Else the chat gives its next revision, and is locked by that;
 * then the message is changed, if it is what it was, or looked at again. As with new
 * messages, that is done without statements where the tables allow it; what turns out
 * to be more than that, statements do, with the revision that was given already.
 *
 * A message that is deleted keeps its row, which tells of the deletion and keeps the
 * number taken: a tombstone. Nothing of what it said or who said it is left.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/timestamp.h"

#include "changes/change_tracking.h"
#include "changes/search_queue.h"
#include "common/compat.h"
#include "common/spi_plan.h"
#include "common/table_owner.h"
#include "core/entity_lookup.h"
#include "core/message.h"
#include "core/message_change.h"
#include "core/message_to_json.h"
#include "core/number_cache.h"
#include "core/parent_counter.h"
#include "rows/counter_row.h"
#include "rows/row_update.h"

/* Whether values of a type are passed by value: those of a message's columns else have a variable length. */
#define BY_VALUE(type) ((type) != TEXTOID && (type) != JSONBOID)
static const Oid column_types[] = {MESSAGE_COLUMN_TYPES};

/*
 * The change that the first arguments name the message of: application, chat and
 * number; and the conditions, from condition_argument on, each of which may be null: the
 * revision that it is to have, and the sender, if the function takes that. What is missing
 * is its problem.
 */
MessageChange
message_change_of(FunctionCallInfo fcinfo, Oid application_type, int condition_argument)
{
	MessageChange change = {.context = CurrentMemoryContext};

	if (PG_ARGISNULL(0))
		change.problem = application_not_found();
	else if (PG_ARGISNULL(1))
		change.problem = chat_not_named();
	else if (PG_ARGISNULL(2))
		change.problem = arg_error_not_found("message", "The number is null.", NULL);
	if (change.problem.sqlstate != 0)
		return change;
	if (application_type == TEXTOID)
		change.token = PG_GETARG_TEXT_PP(0);
	else
		change.application = PG_GETARG_INT32(0);
	change.chat = PG_GETARG_INT32(1);
	change.number = PG_GETARG_INT32(2);
	change.conditional = !PG_ARGISNULL(condition_argument);
	if (change.conditional)
		change.if_revision = PG_GETARG_INT32(condition_argument);
	if (PG_NARGS() > condition_argument + 1 && !PG_ARGISNULL(condition_argument + 1))
		change.if_sender = PG_GETARG_TEXT_PP(condition_argument + 1);
	return change;
}

/* Take a column of the message as it was found. */
static void
take_value(MessageChange *change, int column, Datum value, bool isnull)
{
	MemoryContext caller = MemoryContextSwitchTo(change->context);

	change->nulls[column] = isnull;
	change->values[column] = isnull || BY_VALUE(column_types[column]) ? value : datumCopy(value, false, -1);
	MemoryContextSwitchTo(caller);
}

static void
set_value(MessageChange *change, int column, Datum value)
{
	change->values[column] = value;
	change->nulls[column] = false;
}

/* Set a column to a value, if that is another. Returns whether it is. */
static bool
set_other_value(MessageChange *change, int column, Datum value)
{
	if (!change->nulls[column] && datum_image_eq(change->values[column], value, false, -1))
		return false;
	set_value(change, column, value);
	return true;
}

static bool
update_values(MessageChange *change)
{
	bool		other = change->no_metadata && !change->nulls[MESSAGE_METADATA];

	if (change->no_metadata)
		change->nulls[MESSAGE_METADATA] = true;
	if (change->body != NULL)
		other |= set_other_value(change, MESSAGE_BODY, PointerGetDatum(change->body));
	if (change->metadata != NULL)
		other |= set_other_value(change, MESSAGE_METADATA, JsonbPGetDatum(change->metadata));
	if (other)
		set_value(change, MESSAGE_EDITED_AT, TimestampTzGetDatum(GetCurrentTimestamp()));
	return other;
}

static void
delete_values(MessageChange *change)
{
	MemoryContext caller = MemoryContextSwitchTo(change->context);

	set_value(change, MESSAGE_BODY, CStringGetTextDatum(""));
	change->nulls[MESSAGE_SENDER] = true;
	change->nulls[MESSAGE_METADATA] = true;
	change->nulls[MESSAGE_EDITED_AT] = true;
	set_value(change, MESSAGE_DELETED_AT, TimestampTzGetDatum(GetCurrentTimestamp()));
	MemoryContextSwitchTo(caller);
}

static bool
is_from(const MessageChange *change, const text *sender)
{
	const text *found;

	if (change->nulls[MESSAGE_SENDER])
		return false;
	found = DatumGetTextPP(change->values[MESSAGE_SENDER]);
	return VARSIZE_ANY_EXHDR(found) == VARSIZE_ANY_EXHDR(sender) &&
		memcmp(VARDATA_ANY(found), VARDATA_ANY(sender), VARSIZE_ANY_EXHDR(found)) == 0;
}

/*
 * Make of the message that was found what it is to be, but for its revision. Returns
 * false if it is that already, or if the change is refused.
 */
static bool
decide(MessageChange *change)
{
	int32		revision = change->nulls[MESSAGE_REVISION] ? 0 : DatumGetInt32(change->values[MESSAGE_REVISION]);

	change->found = true;
	if (!change->nulls[MESSAGE_DELETED_AT])
	{
		if (!change->deletion)
			change->problem = (ArgError) {
				.sqlstate = ERRCODE_NO_DATA_FOUND, .message = psprintf("message %d was deleted", change->number)
			};
		return false;
	}
	if (change->if_sender != NULL && !is_from(change, change->if_sender))
	{
		change->problem = arg_error_other_sender("message", "if_sender");
		return false;
	}
	if (change->conditional && change->if_revision != revision)
	{
		change->problem = arg_error_changed("message", "if_revision", revision);
		return false;
	}
	if (!change->deletion)
		return update_values(change);
	delete_values(change);
	return true;
}

static CounterChange
counter_change(const MessageChange *change)
{
	return (CounterChange) {.revisions = 1, .children = change->deletion ? -1 : 0};
}

/* Find the application, if it is named by its token. */
static bool
find_application(RowAccess *access, MessageChange *change)
{
	OpenTable  *applications = &access->tables[TABLE_APPLICATIONS];
	RowKey		key;

	if (change->token == NULL)
		return true;
	key = row_key_of_token(change->token);
	if (!row_find_current(access, applications, &key))
		return false;
	change->application = DatumGetInt32(row_found_value(applications, APPLICATIONS_ID));
	change->token = NULL;
	return true;
}

/* Look at the message. Returns whether it is there, and is to be changed. */
static bool
find_to_change(RowAccess *access, const RowKey *key, MessageChange *change)
{
	OpenTable  *messages = &access->tables[TABLE_MESSAGES];

	if (!row_find_current(access, messages, key))
		return false;
	for (int i = 0; i < MESSAGE_COLUMNS_COUNT; i++)
	{
		bool		isnull;
		Datum		value = slot_getattr(messages->found, messages->plain->columns[MESSAGES_COLUMNS + i], &isnull);

		take_value(change, i, value, isnull);
	}
	return decide(change);
}

/* Update the message that was found. Returns false if a statement has to. */
static bool
write_found(RowAccess *access, const RowKey *key, MessageChange *change, TM_Result *result)
{
	OpenTable  *messages = &access->tables[TABLE_MESSAGES];

	if (row_update_copy_found(messages) == NULL)
		return false;
	set_value(change, MESSAGE_REVISION, Int32GetDatum(change->revision));
	for (int i = 0; i < MESSAGE_COLUMNS_COUNT; i++)
		row_update_set(messages, MESSAGES_COLUMNS + i, change->values[i], change->nulls[i]);
	*result = row_update_found(access, messages, key, messages->made);
	return true;
}

static bool
change_row(RowAccess *access, MessageChange *change)
{
	RowKey		key = row_key_of_message(change->application, change->chat, change->number);
	RowKey		chat = row_key_of_chat(change->application, change->chat);
	CounterChange counter = counter_change(change);
	CounterValues counters;
	TM_Result	result = TM_Ok;

	do
	{
		if (!find_to_change(access, &key, change))
			return false;
		if (!change->counted &&
			counter_row_change(access, &access->tables[TABLE_CHATS], &chat, &counter, &counters) != ROW_DONE)
			return false;
		if (!change->counted)
			change->revision = counters.last_revision;
		change->counted = true;
		if (!write_found(access, &key, change, &result))
			return false;
	} while (result != TM_Ok && row_find_again(access, result));
	return true;
}

/*
 * Make the change without statements. Returns false if they have to do it, or have
 * what is to be said of it.
 */
static bool
change_directly(MessageChange *change)
{
	RowUses		uses = {{
			[TABLE_APPLICATIONS] = change->token != NULL ? ROW_USE(ROW_READ) : 0,
			[TABLE_CHATS] = ROW_USE(ROW_UPDATE),
			[TABLE_MESSAGES] = ROW_USE(ROW_UPDATE)
	}};
	RowAccess	access;

	if (number_cache_in_use() || !row_access_begin(&access, uses))
		return false;
	change->changed = find_application(&access, change) && change_row(&access, change);
	row_access_end(&access);
	return change->changed;
}

/* Take the message from the first row of a result. */
static void
take_result(MessageChange *change)
{
	message_to_json_require_types(SPI_tuptable->tupdesc, 1);
	for (int i = 0; i < MESSAGE_COLUMNS_COUNT; i++)
	{
		bool		isnull;
		Datum		value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, i + 1, &isnull);

		take_value(change, i, value, isnull);
	}
}

/* Read the message as it is now. Returns false if it is missing, which is its problem then. */
static bool
read_message(MessageChange *change)
{
	static SavedPlan plan = SAVED_PLAN(
		"SELECT " MESSAGE_COLUMNS("messages") " FROM chat.messages"
		" WHERE application_id = $1 AND chat_number = $2 AND number = $3 AND " CHAT_IS_NOT_DELETED("$1", "$2"),
		INT4OID, INT4OID, INT4OID);
	Datum		key[3] = {Int32GetDatum(change->application), Int32GetDatum(change->chat), Int32GetDatum(change->number)};

	change->found = spi_plan_read_fresh(&plan, key) > 0;
	if (change->found)
	{
		take_result(change);
		return true;
	}
	change->problem = chat_missing(change->application, change->chat);
	if (change->problem.sqlstate == 0)
		change->problem = arg_error_not_found(psprintf("message %d", change->number),
											  psprintf("Chat %d has no message with this number.", change->chat), NULL);
	return false;
}

/* Look at the message. Returns whether it is to be changed. */
static bool
read_to_change(MessageChange *change)
{
	return read_message(change) && decide(change);
}

/* Update the message. Returns false if somebody's trigger keeps it as it is. */
static bool
write_message(MessageChange *change)
{
	static SavedPlan plan = SAVED_PLAN(
		"UPDATE chat.messages SET body = $4, sender = $5, metadata = $6, edited_at = $7, deleted_at = $8, revision = $9"
		" WHERE application_id = $1 AND chat_number = $2 AND number = $3 RETURNING " MESSAGE_COLUMNS("messages"),
		INT4OID, INT4OID, INT4OID, TEXTOID, TEXTOID, JSONBOID, TIMESTAMPTZOID, TIMESTAMPTZOID, INT4OID);
	static const int columns[] = {
		MESSAGE_BODY, MESSAGE_SENDER, MESSAGE_METADATA, MESSAGE_EDITED_AT, MESSAGE_DELETED_AT, MESSAGE_REVISION
	};
	Datum		values[9] = {Int32GetDatum(change->application), Int32GetDatum(change->chat), Int32GetDatum(change->number)};
	char		nulls[9] = {' ', ' ', ' '};

	set_value(change, MESSAGE_REVISION, Int32GetDatum(change->revision));
	for (int i = 0; i < lengthof(columns); i++)
	{
		values[3 + i] = change->values[columns[i]];
		nulls[3 + i] = change->nulls[columns[i]] ? 'n' : ' ';
	}
	if (spi_plan_write(&plan, values, nulls) == 0)
	{
		(void) read_message(change);
		return false;
	}
	take_result(change);
	return true;
}

/* Have the chat give a revision. Returns false if it cannot. */
static bool
count_change(MessageChange *change)
{
	ChatKey		chat = {change->application, change->chat};
	CounterChange counter = counter_change(change);
	CounterValues counters;

	switch (parent_counter_change(TABLE_CHATS, chat, &counter, &counters))
	{
		case ROW_DONE:
			change->counted = true;
			change->revision = counters.last_revision;
			return true;
		case ROW_EXHAUSTED:
			change->problem = arg_error_revisions_exhausted("message");
			return false;
		default:
			change->problem = chat_not_found(change->application, change->chat);
			return false;
	}
}

/* Give back the revision that was not needed: the chat is locked, so nobody has taken the next one. */
static void
uncount_change(const MessageChange *change)
{
	CounterChange counter = counter_change(change);
	CounterValues counters;

	counter.revisions = -counter.revisions;
	counter.children = -counter.children;
	(void) parent_counter_change(TABLE_CHATS, (ChatKey) {change->application, change->chat}, &counter, &counters);
}

/* The same by statements. Connected to SPI, as the owner. */
static void
change_by_statements(MessageChange *change)
{
	int			previous = number_cache_function_begin();

	if (read_to_change(change) &&
		(change->counted || (count_change(change) && read_to_change(change))))
		change->changed = write_message(change);
	if (change->counted && !change->changed)
		uncount_change(change);
	number_cache_function_end(previous);
}

/* Have the search indexes be told. */
static void
queue_for_search(const MessageChange *change)
{
	change_tracking_note(change->application, change->chat);
	if (change->body == NULL && !change->deletion)
		return;
	search_queue_add(change->application, change->chat, change->number);
	search_queue_flush();
}

/*
 * Make a change, unless it has a problem already; set what came of it.
 */
void
message_change_make(MessageChange *change)
{
	TableOwnerSwitch caller;

	if (change->problem.sqlstate != 0)
		return;
	(void) change_directly(change);
	caller = table_owner_become(change->changed ? OWNER_SEES_ALL : OWNER_SEES_BY_POLICY);
	if (!change->changed && change->token != NULL &&
		!application_find_token(PointerGetDatum(change->token), true, &change->application))
		change->problem = application_not_found();
	else if (!change->changed)
		change_by_statements(change);
	if (change->changed)
		queue_for_search(change);
	/* What is wrong is told when SPI's memory is gone. */
	arg_error_keep(&change->problem, change->context);
	table_owner_leave(caller);
}

/*
 * A row of the problem's SQLSTATE, field and message, and the message as JSON, with its
 * revision, 0 for none, and whether it is deleted; each null where there is none.
 */
Datum
message_change_outcome(const MessageChange *change, TupleDesc descriptor)
{
	const ArgError *problem = &change->problem;
	StringInfoData json;
	Datum		values[6];
	bool		nulls[6] = {
		problem->sqlstate == 0, problem->field == NULL, problem->sqlstate == 0, !change->found, !change->found, !change->found
	};

	if (!nulls[0])
		values[0] = CStringGetTextDatum(unpack_sql_state(problem->sqlstate));
	if (!nulls[1])
		values[1] = CStringGetTextDatum(problem->field);
	if (!nulls[2])
		values[2] = CStringGetTextDatum(problem->message);
	if (!nulls[3])
	{
		initStringInfo(&json);
		message_to_json(&json, 0, change->values, change->nulls);
		values[3] = PointerGetDatum(cstring_to_text_with_len(json.data, json.len));
		values[4] = change->nulls[MESSAGE_REVISION] ? Int32GetDatum(0) : change->values[MESSAGE_REVISION];
		values[5] = BoolGetDatum(!change->nulls[MESSAGE_DELETED_AT]);
	}
	return HeapTupleGetDatum(heap_form_tuple(descriptor, values, nulls));
}
