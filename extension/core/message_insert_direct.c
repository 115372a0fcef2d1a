/*
 * message_insert_direct.c
 *	  Numbers and rows of new messages, without statements.
 *
 * If the tables are not plain, everything is left to statements. So are chats
 * for which a caller named a number; their rows are locked here, in the order
 * of the batch.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "changes/change_tracking.h"
#include "core/entity_lookup.h"
#include "core/message_batch.h"
#include "core/number_cache.h"
#include "rows/counter_row.h"
#include "rows/row_insert.h"

/* Returns whether a message needs no statement any more. */
static bool
is_done(const MessageInsert *message)
{
	return message->created || message->problem.sqlstate != 0;
}

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

/* Refuse the remaining messages of a chat: there are no numbers for them. */
static void
refuse_unnumbered(MessageBatch *batch, ChatGroup *group)
{
	for (int i = group->first + group->added; i < group->first + group->count; i++)
		batch->order[i]->problem = arg_error_numbers_exhausted("message");
}

/* Count the messages of a chat, which locks it, or refuse them. */
static void
count_group(RowAccess *access, MessageBatch *batch, ChatGroup *group, bool wait)
{
	OpenTable  *chats = &access->tables[TABLE_CHATS];
	RowKey		key = row_key_of_chat(group->application, group->chat);
	int			count = group->count;
	RowResult	result = ROW_BY_STATEMENT;
	CounterValues held;

	if (!group->named)
		result = counter_row_add(access, chats, &key, wait, &count, &group->last_before);
	if (result == ROW_BY_STATEMENT)
		result = counter_row_hold(access, chats, &key, wait, &held);
	else if (result == ROW_DONE)
	{
		group->added = count;
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
	return row;
}

/* Insert the messages that were counted. */
static void
insert_counted(RowAccess *access, MessageBatch *batch)
{
	MessageRow *rows = palloc((batch->count + 1) * sizeof(MessageRow));
	int			count = 0;

	for (ChatGroup *group = batch->groups; group < batch->groups + batch->groups_count; group++)
		for (int i = 0; i < group->added; i++)
		{
			MessageInsert *message = batch->order[group->first + i];

			message->created = true;
			message->number = group->last_before + 1 + i;
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

bool
message_insert_direct(MessageInsert *messages, int count, bool wait)
{
	RowUses		uses = {{
			[TABLE_APPLICATIONS] = any_names_token(messages, count) ? ROW_USE(ROW_READ) : 0,
			[TABLE_CHATS] = ROW_USE(ROW_UPDATE),
			[TABLE_MESSAGES] = ROW_USE(ROW_INSERT)
	}};
	RowAccess	access;
	MessageBatch batch;

	/*
	 * If a statement in progress has not written its numbers yet, only a statement can do that
	 * first.
	 */
	if (number_cache_in_use() || !row_access_begin(&access, uses))
		return false;
	resolve_tokens(&access, messages, count);
	message_batch_init(&batch, messages, count);
	for (ChatGroup *group = batch.groups; group < batch.groups + batch.groups_count; group++)
		count_group(&access, &batch, group, wait);
	insert_counted(&access, &batch);
	row_access_end(&access);

	for (ChatGroup *group = batch.groups; group < batch.groups + batch.groups_count; group++)
		if (group->added > 0)
			change_tracking_note(group->application, group->chat);
	for (int i = 0; i < count; i++)
		if (!is_done(&messages[i]))
			return false;
	return true;
}
