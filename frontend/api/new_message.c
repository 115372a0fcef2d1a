/*
 * new_message.c
 *		A message that a client wants created: from the fields of a body to its query, and
 *		from the query's row to JSON.
 */
#include <string.h>

#include "access/visit.h"
#include "api/new_message.h"
#include "db/writes.h"
#include "http/field_value.h"

/* The number of the chat that an item names. */
static int
read_chat(Fields *fields, Json *faults)
{
	if (!field_is_given(fields, "chat_number") || field_is_null(fields, "chat_number"))
		fault_add(faults, "chat_number", "can't be blank");
	return field_number(fields, faults, "chat_number");
}

/*
 * Adds the number that the client names, or none. The highest one would end the chat for all, so
 * a user names none.
 */
static void
add_number(Request *request, Fields *fields, Query *query, Json *faults)
{
	int			number = field_number(fields, faults, "number");

	if (number != 0 && visit_user(request))
		fault_add(faults, "number", "cannot be named by a user");
	query_add_number(query, number);
}

/* Adds the sender: the user whose credential it is, or whom the client names. */
static void
add_sender(Request *request, Fields *fields, Query *query, Json *faults)
{
	const char *user = visit_user(request);
	size_t		length;
	const char *sender = field_optional_text(fields, faults, "sender", &length);

	if (user && sender && (length != strlen(user) || memcmp(sender, user, length) != 0))
		fault_add(faults, "sender", "is not the user that the credential is for");
	if (user)
		query_add_text(query, user, strlen(user));
	else
		query_add_text(query, sender, length);
}

/* Adds the key, which the header has, or the field. */
static void
add_key(Fields *fields, const char *header, Query *query, Json *faults)
{
	size_t		length;
	const char *key = field_optional_text(fields, faults, "key", &length);

	if (key && header)
		fault_add(faults, "key", "is given by the header Idempotency-Key, too");
	if (header)
		query_add_text(query, header, strlen(header));
	else
		query_add_text(query, key, length);
	query->repeatable = query->values[MESSAGE_KEY].text != NULL;
}

void
new_message_read(Request *request, Fields *fields, NewMessageTerms terms, Query *query, Json *faults)
{
	Text		token = visit_token(request);
	size_t		length;
	const char *text;

	query_add_text(query, token.bytes, token.length);
	query_add_number(query, terms.chat ? terms.chat : read_chat(fields, faults));
	text = field_text(fields, faults, "body", &length);
	query_add_text(query, text, length);
	add_number(request, fields, query, faults);
	add_sender(request, fields, query, faults);
	text = field_object(fields, faults, "metadata", &length);
	query_add_text(query, text, length);
	add_key(fields, terms.key, query, faults);
	query_add_number_or_zero(query, terms.if_last);
	query_add_number(query, field_flag(fields, faults, "move_cursor"));
	if (query->values[MESSAGE_MOVE_CURSOR].number && query->values[MESSAGE_SENDER].text == NULL && !field_is_given(fields, "sender"))
		fault_add(faults, "sender", "can't be blank");
}

void
new_message_write(Json *json, const Query *query, const Rows *rows)
{
	const QueryValue *body = &query->values[MESSAGE_BODY];
	const QueryValue *sender = &query->values[MESSAGE_SENDER];

	json_open(json, '{');
	row_member(json, "number", rows->result, rows->first, OUTCOME_NUMBER);
	json_member_text(json, "body", body->text, body->length);
	row_member_text(json, "created_at", rows->result, rows->first, OUTCOME_CREATED_AT);
	if (sender->text)
		json_member_text(json, "sender", sender->text, sender->length);
	if (!PQgetisnull(rows->result, rows->first, OUTCOME_METADATA))
		row_member(json, "metadata", rows->result, rows->first, OUTCOME_METADATA);
	if (!PQgetisnull(rows->result, rows->first, OUTCOME_REVISION))
		row_member(json, "revision", rows->result, rows->first, OUTCOME_REVISION);
	json_close(json, '}');
}

bool
new_message_is_replayed(const Rows *rows)
{
	return rows_flag(rows, OUTCOME_REPLAYED);
}

static bool
is_ascii(const QueryValue *value)
{
	for (size_t i = 0; i < value->length; i++)
		if (value->text[i] & 0x80)
			return false;
	return true;
}

const char *
new_message_unstorable_field(const Query *query)
{
	static const char *const names[] = {
		[MESSAGE_BODY] = "body", [MESSAGE_SENDER] = "sender", [MESSAGE_METADATA] = "metadata",
		[MESSAGE_KEY] = "key"
	};

	for (int i = 0; i <= MESSAGE_KEY; i++)
		if (names[i] && !is_ascii(&query->values[i]))
			return names[i];
	/* It may be there as an escape. */
	return names[MESSAGE_METADATA];
}
