/*
 * message_update.c
 *	  Editing a message.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "funcapi.h"

#include "common/sql_signature.h"
#include "core/message_change.h"
#include "core/message_check.h"

PG_FUNCTION_INFO_V1(chat_update_message_by_id);
PG_FUNCTION_INFO_V1(chat_update_message_by_token);
PG_FUNCTION_INFO_V1(chat_update_message_json);

/* Take the new body and metadata, arguments 3 and 4: null leaves what there is, JSON null takes metadata away. */
static void
take_content(FunctionCallInfo fcinfo, MessageChange *change)
{
	ArgError	problem = {0};

	if (PG_ARGISNULL(3) && PG_ARGISNULL(4))
		problem = arg_error_nothing("body", "body or metadata must be given");
	if (!PG_ARGISNULL(3))
	{
		change->body = PG_GETARG_TEXT_PP(3);
		problem = message_check_body(change->body);
	}
	if (!PG_ARGISNULL(4) && problem.sqlstate == 0)
	{
		Jsonb	   *metadata = PG_GETARG_JSONB_P(4);
		JsonbValue	scalar;

		change->no_metadata = JsonbExtractScalar(&metadata->root, &scalar) && scalar.type == jbvNull;
		change->metadata = change->no_metadata ? NULL : metadata;
		if (!change->no_metadata)
			problem = message_check_metadata(metadata);
	}
	if (change->problem.sqlstate == 0)
		change->problem = problem;
}

/*
 * Make the update that the arguments describe; the last ones are the revision that the
 * message is to have and, where there is one, the sender.
 */
static MessageChange
update_message(FunctionCallInfo fcinfo, Oid application_type)
{
	MessageChange change = message_change_of(fcinfo, application_type, 5);

	take_content(fcinfo, &change);
	message_change_make(&change);
	return change;
}

/* The same; returns the message. */
static Datum
update_or_raise(FunctionCallInfo fcinfo, Oid application_type)
{
	static SqlSignature signature = {
		SQL_ARGS(APPLICATION_ARG, INT4OID, INT4OID, TEXTOID, JSONBOID, INT4OID), SQL_RETURNS_ROW(MESSAGE_COLUMN_TYPES)
	};
	MessageChange change;
	TupleDesc	descriptor;

	sql_signature_check(fcinfo, &signature, application_type);
	descriptor = sql_signature_row(fcinfo, &signature);
	change = update_message(fcinfo, application_type);
	if (change.problem.sqlstate != 0)
		arg_error_raise(change.problem);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(descriptor, change.values, change.nulls)));
}

/*
 * chat.update_message(application integer, chat integer, number integer, body text,
 * metadata jsonb, if_revision integer) returns chat.message
 */
Datum
chat_update_message_by_id(PG_FUNCTION_ARGS)
{
	return update_or_raise(fcinfo, INT4OID);
}

/*
 * chat.update_message(token text, ...) returns chat.message
 */
Datum
chat_update_message_by_token(PG_FUNCTION_ARGS)
{
	return update_or_raise(fcinfo, TEXTOID);
}

/*
 * chat.update_message_json(token text, chat integer, number integer, body text, metadata
 * jsonb, if_revision integer, if_sender text) returns (sqlstate text, field text, message
 * text, current json, revision integer, deleted boolean)
 */
Datum
chat_update_message_json(PG_FUNCTION_ARGS)
{
	static SqlSignature signature = {
		SQL_ARGS(TEXTOID, INT4OID, INT4OID, TEXTOID, JSONBOID, INT4OID, TEXTOID), SQL_RETURNS_ROW(MESSAGE_OUTCOME_TYPES)
	};
	MessageChange change;
	TupleDesc	descriptor;

	sql_signature_check(fcinfo, &signature, InvalidOid);
	descriptor = sql_signature_row(fcinfo, &signature);
	change = update_message(fcinfo, TEXTOID);
	PG_RETURN_DATUM(message_change_outcome(&change, descriptor));
}
