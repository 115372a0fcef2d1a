/*
 * message_arrays.c
 *		Sends many messages in one call: each value of them as an array.
 */
#include <stdio.h>

#include "db/message_arrays.h"
#include "metrics/figures.h"
#include "db/parameters.h"

#define VALUES_BEFORE 2			/* the token and perhaps the chat, before the arrays of what is
								 * imported */

/* The arrays of the call that is being sent. */
static Array arrays[QUERY_VALUES];

static void
add_value(Array *array, ArrayType type, const QueryValue *value)
{
	if (type == ARRAY_OF_TEXTS)
		array_add_text(array, value->text, value->length);
	else if (type == ARRAY_OF_JSONS)
		array_add_json(array, value->text, value->length);
	else if (value->is_zero)
		array_add_zero(array);
	else
		array_add_number(array, value->number);
}

/*
 * Makes the arrays of so many values of messages, as binary parameters. Returns false if out
 * of memory.
 */
static bool
fill(const QueryQueue *messages, const ArrayType *types, int count, const char **values, int *lengths, int *formats)
{
	bool		complete = true;

	for (int i = 0; i < count; i++)
	{
		array_begin(&arrays[i], types[i], messages->count);
		for (const Query *query = messages->first; query; query = query->next)
			add_value(&arrays[i], types[i], &query->values[i]);
		complete = complete && array_is_complete(&arrays[i]);
		/* An array of nothing but nulls is null as a whole, which costs nothing. */
		values[i] = arrays[i].any ? arrays[i].bytes : NULL;
		lengths[i] = (int) arrays[i].used;
		formats[i] = 1;
	}
	return complete;
}

bool
messages_send(Session *session, StatementId statement, const QueryQueue *messages, Operation *operation)
{
	static const ArrayType types[MESSAGE_VALUES] = {
		[MESSAGE_TOKEN] = ARRAY_OF_TEXTS, [MESSAGE_CHAT] = ARRAY_OF_INTEGERS, [MESSAGE_BODY] = ARRAY_OF_TEXTS,
		[MESSAGE_NUMBER] = ARRAY_OF_INTEGERS, [MESSAGE_SENDER] = ARRAY_OF_TEXTS, [MESSAGE_METADATA] = ARRAY_OF_JSONS,
		[MESSAGE_KEY] = ARRAY_OF_TEXTS, [MESSAGE_IF_LAST] = ARRAY_OF_INTEGERS, [MESSAGE_MOVE_CURSOR] = ARRAY_OF_INTEGERS
	};
	const char *values[MESSAGE_VALUES];
	int			lengths[MESSAGE_VALUES];
	int			formats[MESSAGE_VALUES];
	char		label[LABEL_SIZE];
	Parameters	parameters = {MESSAGE_VALUES, values, lengths, formats, 0, queries_label(messages->first, label)};

	if (!fill(messages, types, MESSAGE_VALUES, values, lengths, formats))
		return false;
	histogram_add(&figures->batches[POOL_WRITE], size_bounds, messages->count, 1);
	session_send(session, operation, statement, &parameters);
	return true;
}

bool
imported_send(Session *session, Query *query)
{
	static const ArrayType types[IMPORTED_VALUES] = {
		[IMPORTED_NUMBER] = ARRAY_OF_INTEGERS, [IMPORTED_BODY] = ARRAY_OF_TEXTS, [IMPORTED_CREATED_AT] = ARRAY_OF_TEXTS,
		[IMPORTED_SENDER] = ARRAY_OF_TEXTS, [IMPORTED_METADATA] = ARRAY_OF_JSONS, [IMPORTED_EDITED_AT] = ARRAY_OF_TEXTS,
		[IMPORTED_DELETED_AT] = ARRAY_OF_TEXTS, [IMPORTED_REVISION] = ARRAY_OF_INTEGERS, [IMPORTED_KEY] = ARRAY_OF_TEXTS,
		[IMPORTED_CHAT] = ARRAY_OF_INTEGERS
	};
	bool		of_chat = query->statement == IMPORT_MESSAGES;
	int			before = of_chat ? VALUES_BEFORE : VALUES_BEFORE - 1;
	int			count = of_chat ? IMPORTED_CHAT : IMPORTED_VALUES;
	char		chat[sizeof("2147483647")];
	const char *values[VALUES_BEFORE + IMPORTED_VALUES] = {query->values[MESSAGE_TOKEN].text, chat};
	int			lengths[VALUES_BEFORE + IMPORTED_VALUES] = {0};
	int			formats[VALUES_BEFORE + IMPORTED_VALUES] = {0};
	char		label[LABEL_SIZE];
	Parameters	parameters = {before + count, values, lengths, formats, 0, queries_label(query->parts.first, label)};

	snprintf(chat, sizeof(chat), "%d", query->values[MESSAGE_CHAT].number);
	if (!fill(&query->parts, types, count, values + before, lengths + before, formats + before))
		return false;
	session_send(session, &query->operation, query->statement, &parameters);
	return true;
}
