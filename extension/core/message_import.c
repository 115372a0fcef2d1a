/*
 * message_import.c
 *	  Messages from elsewhere, as they are there.
 *
 * They keep their numbers, times, senders and keys, and their revisions as far as
 * readers of the chat find them all the same: a message above the highest number keeps a
 * revision that is free, or none; one below it, which readers would miss else, keeps one
 * above the chat's last. All others take the chat's next revisions.
 *
 * What is there already as it is, but for its revision, is left alone: so an import that
 * was broken off is repeated.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "changes/change_tracking.h"
#include "changes/search_queue.h"
#include "common/message_columns.h"
#include "core/array_args.h"
#include "core/entity_lookup.h"
#include "core/message_check.h"
#include "core/message_import.h"
#include "core/message_outcome.h"
#include "core/number_cache.h"
#include "core/parent_counter.h"
#include "core/replay.h"
#include "core/sql_function.h"

PG_FUNCTION_INFO_V1(chat_import_messages_by_id);
PG_FUNCTION_INFO_V1(chat_import_messages_by_token);

#define COLUMN_KEY MESSAGE_COLUMNS_COUNT
#define COLUMNS IMPORTED_COLUMNS
#define FIRST_ARGUMENT 2
#define ARRAY_TYPES IMPORTED_ARRAY_TYPES
#define COLUMNS_OF(alias) MESSAGE_COLUMNS(alias) ", " alias ".key"

static const struct
{
	const char *name;
	Oid			type;
	int			length;
	bool		by_value;
	char		alignment;
}			columns[COLUMNS] = {
	{"numbers", INT4OID, sizeof(int32), true, TYPALIGN_INT},
	{"bodies", TEXTOID, -1, false, TYPALIGN_INT},
	{"created_at", TIMESTAMPTZOID, sizeof(TimestampTz), true, TYPALIGN_DOUBLE},
	{"senders", TEXTOID, -1, false, TYPALIGN_INT},
	{"metadata", JSONBOID, -1, false, TYPALIGN_INT},
	{"edited_at", TIMESTAMPTZOID, sizeof(TimestampTz), true, TYPALIGN_DOUBLE},
	{"deleted_at", TIMESTAMPTZOID, sizeof(TimestampTz), true, TYPALIGN_DOUBLE},
	{"revisions", INT4OID, sizeof(int32), true, TYPALIGN_INT},
	{"keys", TEXTOID, -1, false, TYPALIGN_INT}
};

static ArgError
invalid_time(const char *field)
{
	return (ArgError) {
		.sqlstate = ERRCODE_DATETIME_VALUE_OUT_OF_RANGE, .field = field, .message = psprintf("message %s must be finite", field)
	};
}

/* What a tombstone has: nothing. */
static ArgError
check_tombstone(ImportedMessage *message)
{
	text	   *body = message->nulls[MESSAGE_BODY] ? NULL : DatumGetTextPP(message->values[MESSAGE_BODY]);

	if (body == NULL)
		message->values[MESSAGE_BODY] = CStringGetTextDatum("");
	message->nulls[MESSAGE_BODY] = false;
	if ((body != NULL && VARSIZE_ANY_EXHDR(body) > 0) || !message->nulls[MESSAGE_SENDER] ||
		!message->nulls[MESSAGE_METADATA] || !message->nulls[MESSAGE_EDITED_AT])
		return (ArgError) {
			.sqlstate = ERRCODE_CHECK_VIOLATION, .field = "deleted_at",
			.message = "message deleted_at must not be given where there is a body, sender, metadata or edited_at"
		};
	return (ArgError) {0};
}

/* What is wrong with a message, if anything. */
static ArgError
check(ImportedMessage *message)
{
	static const int times[] = {MESSAGE_CREATED_AT, MESSAGE_EDITED_AT, MESSAGE_DELETED_AT};
	ArgError	problem = {0};

	if (message->nulls[MESSAGE_NUMBER])
		return arg_error_blank("message", "number");
	if (DatumGetInt32(message->values[MESSAGE_NUMBER]) < 1)
		return arg_error_number_range("message", DatumGetInt32(message->values[MESSAGE_NUMBER]));
	if (message->nulls[MESSAGE_CREATED_AT])
		return arg_error_blank("message", "created_at");
	for (int i = 0; i < lengthof(times); i++)
		if (!message->nulls[times[i]] && TIMESTAMP_NOT_FINITE(DatumGetTimestampTz(message->values[times[i]])))
			return invalid_time(columns[times[i]].name);
	if (!message->nulls[MESSAGE_REVISION] && DatumGetInt32(message->values[MESSAGE_REVISION]) < 1)
		return (ArgError) {
			.sqlstate = ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE, .field = "revision", .message = "message revision must be greater than 0"
		};
	if (!message->nulls[MESSAGE_DELETED_AT])
		problem = check_tombstone(message);
	else
		problem = message_check_body(message->nulls[MESSAGE_BODY] ? NULL : DatumGetTextPP(message->values[MESSAGE_BODY]));
	if (problem.sqlstate == 0 && !message->nulls[MESSAGE_SENDER])
		problem = message_check_sender(DatumGetTextPP(message->values[MESSAGE_SENDER]));
	if (problem.sqlstate == 0 && !message->nulls[MESSAGE_METADATA])
		problem = message_check_metadata(DatumGetJsonbP(message->values[MESSAGE_METADATA]));
	if (problem.sqlstate == 0 && !message->nulls[COLUMN_KEY])
		problem = message_check_key("message", DatumGetTextPP(message->values[COLUMN_KEY]));
	return problem;
}

/*
 * The messages that the arrays describe, which are arguments from the third on. Those that
 * are invalid have a problem. In the memory of the caller; sets count.
 */
ImportedMessage *
message_import_take(FunctionCallInfo fcinfo, int *count)
{
	ImportedMessage *messages = NULL;

	for (int c = 0; c < COLUMNS; c++)
	{
		int			n = FIRST_ARGUMENT + c;
		bool		optional = c > MESSAGE_CREATED_AT;
		ArrayArg	array = {0};

		if (!optional || !PG_ARGISNULL(n))
			array = array_arg_of_items(fcinfo, n, columns[c].type, columns[c].name, c == 0 ? -1 : *count, "numbers");
		if (c == 0)
		{
			*count = array.count;
			messages = palloc0((array.count + 1) * sizeof(ImportedMessage));
		}
		for (int i = 0; i < *count; i++)
		{
			messages[i].nulls[c] = array.count == 0 || array.nulls[i];
			if (!messages[i].nulls[c])
				messages[i].values[c] = array.values[i];
		}
	}
	for (int i = 0; i < *count; i++)
	{
		ImportedMessage *message = &messages[i];

		message->outcome.problem = check(message);
		message->accepted = message->outcome.problem.sqlstate == 0;
		if (!message->nulls[MESSAGE_NUMBER])
			message->outcome.number = DatumGetInt32(message->values[MESSAGE_NUMBER]);
		if (!message->nulls[MESSAGE_CREATED_AT])
			message->outcome.created_at = DatumGetTimestampTz(message->values[MESSAGE_CREATED_AT]);
	}
	return messages;
}

/* The accepted messages as parameters: the chat's key, and an array of each column. Sets *items to what they are. */
static void
accepted_to_arrays(const Import *import, Datum *parameters, ImportedMessage ***items)
{
	Datum	   *values = palloc((import->count + 1) * sizeof(Datum));
	bool	   *nulls = palloc((import->count + 1) * sizeof(bool));
	int			lower_bound = 1;

	parameters[0] = Int32GetDatum(import->chat.application);
	parameters[1] = Int32GetDatum(import->chat.chat);
	*items = palloc((import->count + 1) * sizeof(ImportedMessage *));
	for (int c = 0; c < COLUMNS; c++)
	{
		int			count = 0;

		for (int i = 0; i < import->count; i++)
		{
			if (!import->messages[i].accepted)
				continue;
			values[count] = import->messages[i].values[c];
			nulls[count] = import->messages[i].nulls[c];
			(*items)[count++] = &import->messages[i];
		}
		parameters[2 + c] = PointerGetDatum(construct_md_array(values, nulls, 1, &count, &lower_bound, columns[c].type,
															   columns[c].length, columns[c].by_value, columns[c].alignment));
	}
}

/* A message is not to be imported, for this reason. */
void
message_import_refuse(ImportedMessage *message, ArgError problem)
{
	message->outcome.problem = problem;
	message->accepted = false;
}

/*
 * Compare the messages with those of the chat, which is held, and with each other. Those
 * that are there already are done; those whose number or key is taken are refused.
 */
static void
compare(Import *import)
{
#define ITEMS \
	"ROWS FROM (unnest($3), unnest($4), unnest($5), unnest($6), unnest($7), unnest($8), unnest($9), unnest($10), unnest($11))"
#define CONTENT(alias) "(" MESSAGE_CONTENT_COLUMNS(alias) ")"
#define OF_CHAT(alias) alias ".application_id = $1 AND " alias ".chat_number = $2"
	static SavedPlan plan = SAVED_PLAN(
		"SELECT k.item::int4, COALESCE(m.same, false), COALESCE(m.revision, 0),"
		" m.same IS NOT NULL OR row_number() OVER (PARTITION BY k.number ORDER BY k.item) > 1,"
		" k.key IS NOT NULL AND (row_number() OVER (PARTITION BY k.key ORDER BY k.item) > 1 OR EXISTS"
		" (SELECT FROM chat.messages AS o WHERE " OF_CHAT("o") " AND o.key = k.key)),"
		" NOT EXISTS (SELECT FROM chat.messages AS o WHERE " OF_CHAT("o") " AND o.revision = k.revision AND o.revision > 0)"
		" AND k.revision IS DISTINCT FROM (SELECT k.revision FROM (SELECT d.revision - d.messages AS before"
		" FROM chat_internal.deleted_messages AS d WHERE " OF_CHAT("d") " AND d.revision >= k.revision"
		" ORDER BY d.revision LIMIT 1) AS d WHERE d.before < k.revision)"
		" AND row_number() OVER (PARTITION BY k.revision ORDER BY k.item) = 1"
		" FROM " ITEMS " WITH ORDINALITY"
		" AS k (number, body, created_at, sender, metadata, edited_at, deleted_at, revision, key, item)"
		" LEFT JOIN LATERAL (SELECT m.revision, " CONTENT("m") " IS NOT DISTINCT FROM " CONTENT("k") " AS same"
		" FROM chat.messages AS m WHERE " OF_CHAT("m") " AND m.number = k.number OFFSET 0) AS m ON true",
		INT4OID, INT4OID, ARRAY_TYPES);
	enum
	{
		ITEM = 1, SAME, REVISION, NUMBER_TAKEN, KEY_TAKEN, FREE_REVISION
	};
	Datum		parameters[2 + COLUMNS];
	ImportedMessage **items;
	uint64		rows;

	accepted_to_arrays(import, parameters, &items);
	rows = spi_plan_read_fresh(&plan, parameters);
	for (uint64 row = 0; row < rows; row++)
	{
		ImportedMessage *message = items[spi_result_int32(row, ITEM) - 1];

		message->free_revision = spi_result_bool(row, FREE_REVISION);
		if (spi_result_bool(row, SAME))
		{
			message->accepted = false;
			message->outcome.replayed = true;
			replay_note();
			message->outcome.revision = spi_result_int32(row, REVISION);
		}
		else if (spi_result_bool(row, NUMBER_TAKEN))
			message_import_refuse(message, arg_error_taken("message", "number",
														   psprintf("Chat %d has another message number %d.", import->chat.chat, message->outcome.number), NULL));
		else if (spi_result_bool(row, KEY_TAKEN))
			message_import_refuse(message, arg_error_taken("message", "key", psprintf("Chat %d has a message with this key.", import->chat.chat), NULL));
	}
}

/* Whether a message keeps its revision, or that it has none, in a chat that is held: see above. */
static bool
keeps_revision(const ImportedMessage *message, const CounterValues *held)
{
	bool		appended = message->outcome.number > held->last_number;

	if (message->nulls[MESSAGE_REVISION])
		return appended && message->nulls[MESSAGE_DELETED_AT];
	return message->free_revision && (appended || DatumGetInt32(message->values[MESSAGE_REVISION]) > held->last_revision);
}

/* Decide on the revisions, and how the chat's counters change. */
static CounterChange
number_accepted(Import *import, const CounterValues *held)
{
	CounterChange change = {.number = held->last_number, .revision = held->last_revision};

	for (int i = 0; i < import->count; i++)
	{
		ImportedMessage *message = &import->messages[i];

		if (message->accepted && keeps_revision(message, held) && !message->nulls[MESSAGE_REVISION])
			change.revision = Max(change.revision, DatumGetInt32(message->values[MESSAGE_REVISION]));
	}
	for (int i = 0; i < import->count; i++)
	{
		ImportedMessage *message = &import->messages[i];

		if (!message->accepted)
			continue;
		if (!keeps_revision(message, held))
		{
			if (change.revision == PG_INT32_MAX)
			{
				message_import_refuse(message, arg_error_revisions_exhausted("message"));
				continue;
			}
			message->values[MESSAGE_REVISION] = Int32GetDatum(++change.revision);
			message->nulls[MESSAGE_REVISION] = false;
		}
		message->outcome.revision = message->nulls[MESSAGE_REVISION] ? 0 : DatumGetInt32(message->values[MESSAGE_REVISION]);
		message->outcome.created = true;
		change.number = Max(change.number, message->outcome.number);
		change.children += message->nulls[MESSAGE_DELETED_AT] ? 1 : 0;
		if (message->outcome.number <= held->last_number)
			search_queue_add(import->chat.application, import->chat.chat, message->outcome.number);
		import->accepted++;
	}
	return change;
}

static void
insert_accepted(const Import *import)
{
	static SavedPlan plan = SAVED_PLAN(
		"INSERT INTO chat.messages (application_id, chat_number, number, body, created_at, sender, metadata, edited_at,"
		" deleted_at, revision, key) SELECT $1, $2, k.* FROM " ITEMS " AS k",
		INT4OID, INT4OID, ARRAY_TYPES);
	Datum		parameters[2 + COLUMNS];
	ImportedMessage **items;

	accepted_to_arrays(import, parameters, &items);
	spi_plan_write(&plan, parameters, NULL);
}

/* Import the messages into their chat, and set their outcomes. Returns false if there is no such chat. */
bool
message_import(Import *import)
{
	int			previous = number_cache_function_begin();
	CounterValues held = {0};
	CounterValues changed;
	CounterChange change;

	if (parent_counter_hold(TABLE_CHATS, import->chat, true, &held) == ROW_MISSING)
	{
		number_cache_function_end(previous);
		return false;
	}
	compare(import);
	change = number_accepted(import, &held);
	if (import->accepted > 0)
	{
		(void) parent_counter_change(TABLE_CHATS, import->chat, &change, &changed);
		insert_accepted(import);
		change_tracking_note(import->chat.application, import->chat.chat);
		search_queue_flush();
	}
	number_cache_function_end(previous);
	return true;
}

static Datum
import_messages(FunctionCallInfo fcinfo, SqlFunction *function, int32 application)
{
	Import		import = {.chat = {application, chat_argument(fcinfo)}};
	RowStore	store = sql_function_result_store(fcinfo, &function->signature);

	import.messages = message_import_take(fcinfo, &import.count);
	if (!message_import(&import))
	{
		chat_require(application, import.chat.chat);
		arg_error_raise(chat_not_found(application, import.chat.chat));
	}
	for (int i = 0; i < import.count; i++)
		message_outcome_store(store, i + 1, &import.messages[i].outcome);
	return (Datum) 0;
}

static SqlFunction import_messages_function = {
	import_messages, FUNCTION_WRITES,
	{SQL_ARGS(APPLICATION_ARG, INT4OID, ARRAY_TYPES), SQL_RETURNS_ROWS(MESSAGE_OUTCOME_COLUMN_TYPES)}
};

/*
 * chat.import_messages(application integer, chat integer, numbers integer[], bodies
 * text[], created_at timestamptz[], senders text[], metadata jsonb[], edited_at
 * timestamptz[], deleted_at timestamptz[], revisions integer[], keys text[]) returns setof
 * chat.outcome
 */
Datum
chat_import_messages_by_id(PG_FUNCTION_ARGS)
{
	return sql_function_call_by_id(fcinfo, &import_messages_function);
}

/*
 * chat.import_messages(token text, ...) returns setof chat.outcome
 */
Datum
chat_import_messages_by_token(PG_FUNCTION_ARGS)
{
	return sql_function_call_by_token(fcinfo, &import_messages_function);
}
