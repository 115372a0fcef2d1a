/*
 * keys.c
 *	  Keys of chats and messages, in the order of the tables' primary keys.
 */
#include "postgres.h"

#include "common/int_columns.h"
#include "common/keys.h"

static int
compare(int32 a, int32 b)
{
	return (a > b) - (a < b);
}

/* Compare two keys. Returns a number that is negative, zero or positive, as for qsort(). */
int
chat_key_compare(ChatKey a, ChatKey b)
{
	int			order = compare(a.application, b.application);

	return order != 0 ? order : compare(a.chat, b.chat);
}

/* chat_key_compare() as qsort() calls it. */
int
chat_key_order(const void *a, const void *b)
{
	return chat_key_compare(*(const ChatKey *) a, *(const ChatKey *) b);
}

/* Compare two keys of messages likewise. */
int
message_key_compare(MessageKey a, MessageKey b)
{
	int			order = compare(a.application, b.application);

	if (order == 0)
		order = compare(a.chat, b.chat);
	return order != 0 ? order : compare(a.number, b.number);
}

/*
 * Set arrays to parallel integer[] of applications and chats, as parameters of
 * a statement, in the current memory context.
 */
void
chat_keys_to_arrays(const ChatKey *keys, int count, Datum arrays[2])
{
	IntColumns	columns;

	int_columns_init(&columns, 2, count);
	for (int i = 0; i < count; i++)
		int_columns_append(&columns, (int32[]) {keys[i].application, keys[i].chat});
	int_columns_to_arrays(&columns, arrays);
}

/* Set arrays to parallel integer[] of applications, chats and numbers likewise. */
void
message_keys_to_arrays(const MessageKey *keys, int count, Datum arrays[3])
{
	IntColumns	columns;

	int_columns_init(&columns, 3, count);
	for (int i = 0; i < count; i++)
		int_columns_append(&columns, (int32[]) {keys[i].application, keys[i].chat, keys[i].number});
	int_columns_to_arrays(&columns, arrays);
}
