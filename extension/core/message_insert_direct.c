/*
 * message_insert_direct.c
 *	  Numbers and rows of new messages, without statements.
 *
 * If the tables are not plain, everything is left to statements. So are chats
 * for which a caller named a number; their rows are locked here, in the order
 * of the batch.
 */
#include "postgres.h"

#include "commands/trigger.h"
#include "utils/timestamp.h"

#include "changes/change_tracking.h"
#include "core/entity_lookup.h"
#include "core/message_key.h"
#include "core/number_cache.h"
#include "rows/counter_row.h"
#include "rows/row_insert.h"

static bool
tokens_equal(const text *a, const text *b)
{
	return VARSIZE_ANY(a) == VARSIZE_ANY(b) && memcmp(a, b, VARSIZE_ANY(a)) == 0;
}

/* Find the application of each message that names it by its token. */
static void
resolve_tokens(RowAccess *access, MessageInsert *messages, int count)
{
	OpenTable  *applications = &access->tables[TABLE_APPLICATIONS];
	const text *last = NULL;
	bool		found = false;

	for (int i = 0; i < count; i++)
	{
		MessageInsert *message = &messages[i];

		if (message->token == NULL)
			continue;
		if (last == NULL || !tokens_equal(message->token, last))
		{
			RowKey		key = row_key_of_token(message->token);

			found = row_find_current(access, applications, &key);
			last = message->token;
		}
		message->token = NULL;
		if (found)
			message->application = DatumGetInt32(row_found_value(applications, APPLICATIONS_ID));
		else
			message->problem = chat_not_named();
	}
}

/* Finds the messages that have the keys of a chat's messages. */
static void
find_keys(RowAccess *access, MessageBatch *batch, ChatGroup *group)
{
	OpenTable  *messages = &access->tables[TABLE_MESSAGES];

	for (int i = group->first; i < group->first + group->count; i++)
	{
		MessageInsert *message = batch->order[i];
		RowKey		key;
		Datum		values[3];
		bool		nulls[3];

		if (message->key == NULL || message_is_done(message))
			continue;
		key = row_key_of_message_key(group->application, group->chat, message->key);
		if (!row_lookup(access, messages, &key))
			continue;
		values[0] = row_found_column(messages, MESSAGES_COLUMNS + MESSAGE_CREATED_AT, &nulls[0]);
		values[1] = row_found_column(messages, MESSAGES_COLUMNS + MESSAGE_REVISION, &nulls[1]);
		values[2] = row_found_column(messages, MESSAGES_KEY_DIGEST, &nulls[2]);
		message_key_meet(message, &(KeyedMessage) {
			.number = DatumGetInt32(row_found_value(messages, MESSAGES_COLUMNS + MESSAGE_NUMBER)),
			.created_at = DatumGetTimestampTz(values[0]),
			.revision = nulls[1] ? 0 : DatumGetInt32(values[1]),
			.digest = nulls[2] ? NULL : DatumGetByteaPP(values[2])
		});
	}
}

/* How many of a chat's messages are to be created, if this is its last number. */
static int
admit(MessageBatch *batch, ChatGroup *group, int32 last_number)
{
	int			admitted = 0;

	message_keys_forget(batch, group);
	for (int i = group->first; i < group->first + group->count; i++)
		if (!message_is_done(batch->order[i]) && message_key_admits(group, batch->order[i], last_number + admitted))
			admitted++;
	return admitted;
}

/*
 * How many of a chat's messages are to be created, as far as that can be told before the
 * chat is locked. What is refused now, or is there, stays so.
 */
static int
foresee(RowAccess *access, MessageBatch *batch, ChatGroup *group, const RowKey *chat)
{
	CounterValues values;

	if (!group->checked || !counter_row_look(access, &access->tables[TABLE_CHATS], chat, &values))
		return group->count;
	find_keys(access, batch, group);
	return admit(batch, group, values.last_number);
}

/* Have the chat, which is locked now, count fewer messages than were foreseen. */
static void
take_back(RowAccess *access, ChatGroup *group, const RowKey *chat, int admitted)
{
	counter_row_take_back(access, &access->tables[TABLE_CHATS], chat, group->added - admitted);
	group->added = admitted;
}

/* Refuse those of a chat's messages for which there is no number. */
static void
refuse_unnumbered(MessageBatch *batch, ChatGroup *group)
{
	int			numbered = 0;

	for (int i = group->first; i < group->first + group->count; i++)
		if (!message_is_done(batch->order[i]) && batch->order[i]->first == NULL && ++numbered > group->added)
			batch->order[i]->problem = arg_error_numbers_exhausted("message");
}

/*
 * Count the messages of a chat that are to be created, which locks it, or refuse them.
 * A chat that others have changed since it was looked at is looked at once more.
 */
static void
count_group(RowAccess *access, MessageBatch *batch, ChatGroup *group, bool wait)
{
	OpenTable  *chats = &access->tables[TABLE_CHATS];
	RowKey		key = row_key_of_chat(group->application, group->chat);
	int			count;
	int			refreshes;
	RowResult	result = ROW_BY_STATEMENT;
	CounterValues held;

	if (!group->named)
	{
		count = foresee(access, batch, group, &key);
		if (count == 0)
			return;
		refreshes = access->refreshes;
		result = counter_row_add(access, chats, &key, wait, &count, &group->last_before);
	}
	if (result == ROW_BY_STATEMENT)
		result = counter_row_hold(access, chats, &key, wait, &held);
	else if (result == ROW_DONE)
	{
		group->added = count;
		if (group->checked && access->refreshes > refreshes)
		{
			int			admitted;

			find_keys(access, batch, group);
			admitted = admit(batch, group, group->last_before);
			if (admitted < count)
				take_back(access, group, &key, admitted);
		}
		refuse_unnumbered(batch, group);
	}
	if (result == ROW_MISSING)
		message_batch_refuse(batch, group, chat_not_found(group->application, group->chat));
	else if (result == ROW_LOCKED)
		message_batch_refuse(batch, group, arg_error_locked(psprintf("chat %d", group->chat)));
}

/* Returns the row of a message, with nulls for missing values. */
static MessageRow
row_of(const MessageInsert *message)
{
	MessageRow	row = {.application = message->application, .chat = message->chat};

	memset(row.nulls, true, sizeof(row.nulls));
#define SET_COLUMN(column, value) \
	(row.values[column] = (value), row.nulls[column] = false)
	SET_COLUMN(MESSAGE_NUMBER, Int32GetDatum(message->number));
	SET_COLUMN(MESSAGE_BODY, PointerGetDatum(message->body));
	SET_COLUMN(MESSAGE_CREATED_AT, TimestampTzGetDatum(message->created_at));
	if (message->sender != NULL)
		SET_COLUMN(MESSAGE_SENDER, PointerGetDatum(message->sender));
	if (message->metadata != NULL)
		SET_COLUMN(MESSAGE_METADATA, JsonbPGetDatum(message->metadata));
	row.key = message->key;
	row.key_digest = message->key_digest;
	return row;
}

/* Insert the messages that were counted. */
static void
insert_counted(RowAccess *access, MessageBatch *batch)
{
	MessageRow *rows = palloc((batch->count + 1) * sizeof(MessageRow));
	int			count = 0;

	for (ChatGroup *group = batch->groups; group < batch->groups + batch->groups_count; group++)
		for (int i = group->first, given = 0; given < group->added; i++)
		{
			MessageInsert *message = batch->order[i];

			if (message_is_done(message) || message->first != NULL)
				continue;
			message->created = true;
			message->number = group->last_before + ++given;
			message->created_at = GetCurrentTimestamp();
			rows[count++] = row_of(message);
		}
	row_insert_messages(access, rows, count);
}

static bool
any_names_token(const MessageInsert *messages, int count)
{
	for (int i = 0; i < count; i++)
		if (messages[i].token != NULL)
			return true;
	return false;
}

static bool
any_is_checked(const MessageInsert *messages, int count)
{
	for (int i = 0; i < count; i++)
		if (messages[i].key != NULL || messages[i].conditional)
			return true;
	return false;
}

bool
message_insert_direct(MessageInsert *messages, int count, bool wait)
{
	bool		checked = any_is_checked(messages, count);
	RowUses		uses = {{
			[TABLE_APPLICATIONS] = any_names_token(messages, count) ? ROW_USE(ROW_READ) : 0,
			[TABLE_CHATS] = ROW_USE(ROW_UPDATE),
			[TABLE_MESSAGES] = ROW_USE(ROW_INSERT) | (checked ? ROW_USE(ROW_READ) : 0)
	}};
	RowAccess	access;
	MessageBatch batch;

	/*
	 * If a statement in progress has not written its numbers yet, only a statement can do that
	 * first.
	 */
	if (number_cache_in_use() || (checked && AfterTriggerPendingOnRel(chat_table_oid(TABLE_CHATS))) ||
		!row_access_begin(&access, uses))
		return false;
	resolve_tokens(&access, messages, count);
	message_batch_init(&batch, messages, count);
	for (ChatGroup *group = batch.groups; group < batch.groups + batch.groups_count; group++)
		count_group(&access, &batch, group, wait);
	insert_counted(&access, &batch);
	message_keys_share(&batch);
	row_access_end(&access);

	for (ChatGroup *group = batch.groups; group < batch.groups + batch.groups_count; group++)
		if (group->added > 0)
			change_tracking_note(group->application, group->chat);
	for (int i = 0; i < count; i++)
		if (!message_is_done(&messages[i]))
			return false;
	return true;
}
