/*
 * sender_cursor.c
 *	  New messages that move their senders' cursors.
 *
 * Who sends a message has usually read the chat. If asked, the cursor of the
 * sender moves to the number of the message in the same transaction: forward
 * only, as by chat.set_cursor(). A message that was there already, by its key,
 * moves it, too: so a request that is repeated has the same effect.
 *
 * All cursors of a call take one statement, in the order of their keys. The
 * chats of the messages are locked by then, so two calls that create messages
 * never wait for each other's cursors.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"

#include "changes/change_tracking.h"
#include "common/keys.h"
#include "common/spi_plan.h"
#include "core/sender_cursor.h"

/* Parameters: applications, chats, numbers and readers. */
#define CURSORS \
	"ROWS FROM (unnest($1), unnest($2), unnest($3), unnest($4)) WITH ORDINALITY AS k (application, chat, number, reader, item)"
#define CURSOR_TYPES INT4ARRAYOID, INT4ARRAYOID, INT4ARRAYOID, TEXTARRAYOID
#define IS_CURSOR(alias) \
	alias ".application_id = k.application AND " alias ".chat_number = k.chat AND " alias ".reader = k.reader"

/* Does any of the messages move its sender's cursor? */
bool
sender_cursors_any(const MessageInsert *messages, int count)
{
	for (int i = 0; i < count; i++)
		if (messages[i].move_cursor)
			return true;
	return false;
}

/*
 * The parameters of a statement, of those messages that move a cursor, and are
 * created, or not done. Returns how many there are; places has their places.
 */
static int
cursors_of(const MessageInsert *messages, int count, bool created, Datum *values, int *places)
{
	MessageKey *keys = palloc(count * sizeof(MessageKey));
	Datum	   *readers = palloc(count * sizeof(Datum));
	int			found = 0;

	for (int i = 0; i < count; i++)
	{
		const MessageInsert *message = &messages[i];

		if (!message->move_cursor || message->created != created || message->problem.sqlstate != 0)
			continue;
		keys[found] = (MessageKey) {message->application, message->chat, message->number};
		readers[found] = PointerGetDatum(message->sender);
		places[found++] = i;
	}
	message_keys_to_arrays(keys, found, values);
	values[3] = PointerGetDatum(construct_array(readers, found, TEXTOID, -1, false, TYPALIGN_INT));
	return found;
}

/* Refuse all messages of a chat that are not done: so they stay in their order. */
static void
refuse_chat(MessageInsert *messages, int count, int32 application, int32 chat)
{
	ArgError	problem = arg_error_locked(psprintf("a cursor of chat %d", chat));

	for (int i = 0; i < count; i++)
		if (messages[i].application == application && messages[i].chat == chat && !message_is_done(&messages[i]))
			messages[i].problem = problem;
}

/*
 * For a caller that must not wait: lock the cursors that are there, and refuse
 * the messages of chats of which another transaction has locked one of them. The
 * applications are known.
 */
void
sender_cursors_hold(MessageInsert *messages, int count)
{
	static SavedPlan plan = SAVED_PLAN(
		"SELECT k.item::int4 FROM " CURSORS " JOIN LATERAL (SELECT FROM chat.cursors AS c WHERE " IS_CURSOR("c") " OFFSET 0) AS c ON true"
		" WHERE NOT EXISTS (SELECT FROM chat.cursors AS l WHERE " IS_CURSOR("l") " FOR NO KEY UPDATE SKIP LOCKED)",
		CURSOR_TYPES);
	int		   *places = palloc(count * sizeof(int));
	Datum		values[4];
	uint64		locked;

	if (cursors_of(messages, count, false, values, places) == 0)
		return;
	locked = spi_plan_write(&plan, values, NULL);
	for (uint64 row = 0; row < locked; row++)
	{
		const MessageInsert *message = &messages[places[spi_result_int32(row, 1) - 1]];

		refuse_chat(messages, count, message->application, message->chat);
	}
}

/* Move the cursors of those who sent the messages that are there now. */
void
sender_cursors_move(const MessageInsert *messages, int count)
{
	static SavedPlan plan = SAVED_PLAN(
		"INSERT INTO chat.cursors AS c (application_id, chat_number, reader, number)"
		" SELECT k.application, k.chat, k.reader, max(k.number) FROM " CURSORS
		" GROUP BY k.application, k.chat, k.reader ORDER BY k.application, k.chat, k.reader"
		" ON CONFLICT (application_id, chat_number, reader) DO UPDATE SET number = excluded.number"
		" WHERE c.number < excluded.number RETURNING c.application_id, c.chat_number",
		CURSOR_TYPES);
	int		   *places = palloc(count * sizeof(int));
	Datum		values[4];
	uint64		moved;

	if (cursors_of(messages, count, true, values, places) == 0)
		return;
	moved = spi_plan_write(&plan, values, NULL);
	for (uint64 row = 0; row < moved; row++)
		change_tracking_note(spi_result_int32(row, 1), -spi_result_int32(row, 2));
}
