/*
 * message_to_json.c
 *	  A message as a JSON object, as REST and the functions that end in _json show it.
 *
 * number and body are always there; of the other columns, those that have a value.
 */
#include "postgres.h"

#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "common/compat.h"
#include "common/rfc3339.h"
#include "common/spi_plan.h"
#include "core/message_to_json.h"

/* Append a time as a JSON string. */
void
json_append_time(StringInfo target, TimestampTz value)
{
	json_append_literal(target, "\"");
	enlargeStringInfo(target, RFC3339_SIZE);
	target->len += rfc3339_print(value, target->data + target->len);
	json_append_literal(target, "\"");
}

/* Writers of values, by their type. */

static void
append_INT4(StringInfo target, Datum value)
{
	json_append_int32(target, DatumGetInt32(value));
}

static void
append_TIMESTAMPTZ(StringInfo target, Datum value)
{
	json_append_time(target, DatumGetTimestampTz(value));
}

static void
append_TEXT(StringInfo target, Datum value)
{
	text	   *detoasted = DatumGetTextPP(value);

	json_append_string(target, VARDATA_ANY(detoasted), VARSIZE_ANY_EXHDR(detoasted));
	if (detoasted != (text *) DatumGetPointer(value))
		pfree(detoasted);
}

static void
append_JSONB(StringInfo target, Datum value)
{
	Jsonb	   *detoasted = DatumGetJsonbP(value);

	(void) JsonbToCString(target, &detoasted->root, VARSIZE(detoasted));
	if (detoasted != (Jsonb *) DatumGetPointer(value))
		pfree(detoasted);
}

/*
 * Raise 42804 unless a row has MESSAGE_COLUMNS from a column on, counted from 1, with
 * their types.
 */
void
message_to_json_require_types(TupleDesc descriptor, int first)
{
	static const Oid types[] = {MESSAGE_COLUMN_TYPES};

	for (int i = 0; i < MESSAGE_COLUMNS_COUNT; i++)
		spi_require_type(NameStr(TupleDescAttr(descriptor, first - 1 + i)->attname),
						 TupleDescAttr(descriptor, first - 1 + i)->atttypid, types[i]);
}

/*
 * Append a message, of the values of MESSAGE_COLUMNS. chat is its chat's number, or 0
 * where that is not to be shown.
 */
void
message_to_json(StringInfo target, int32 chat, const Datum *values, const bool *nulls)
{
	if (chat != 0)
	{
		json_append_literal(target, "{\"chat_number\":");
		json_append_int32(target, chat);
		json_append_literal(target, ",\"number\":");
	}
	else
		json_append_literal(target, "{\"number\":");
	json_append_int32(target, DatumGetInt32(values[MESSAGE_NUMBER]));
#define APPEND_MEMBER(argument, NAME, name, TYPE) \
	if (!nulls[MESSAGE_##NAME]) \
	{ \
		json_append_literal(target, ",\"" #name "\":"); \
		append_##TYPE(target, values[MESSAGE_##NAME]); \
	} \
	else if (MESSAGE_##NAME == MESSAGE_BODY) \
		json_append_literal(target, ",\"" #name "\":null");
	MESSAGE_ALL_BUT_NUMBER(APPEND_MEMBER,)
		json_append_literal(target, "}");
}
