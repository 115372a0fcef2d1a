/*
 * message_delete.c
 *	  Deleting a message.
 */
#include "postgres.h"

#include "catalog/pg_type.h"

#include "common/sql_signature.h"
#include "core/message_change.h"

PG_FUNCTION_INFO_V1(chat_delete_message_by_id);
PG_FUNCTION_INFO_V1(chat_delete_message_by_token);
PG_FUNCTION_INFO_V1(chat_delete_message_json);

/*
 * Make the deletion that the arguments describe; the last ones are the revision that the
 * message is to have and, where there is one, the sender.
 */
static MessageChange
delete_message(FunctionCallInfo fcinfo, Oid application_type)
{
	MessageChange change = message_change_of(fcinfo, application_type, 3);

	change.deletion = true;
	message_change_make(&change);
	return change;
}

/* The same; returns whether the message was there. */
static Datum
delete_or_raise(FunctionCallInfo fcinfo, Oid application_type)
{
	static SqlSignature signature = {SQL_ARGS(APPLICATION_ARG, INT4OID, INT4OID, INT4OID), SQL_RETURNS(BOOLOID)};
	MessageChange change;

	sql_signature_check(fcinfo, &signature, application_type);
	change = delete_message(fcinfo, application_type);
	if (change.problem.sqlstate != 0)
		arg_error_raise(change.problem);
	PG_RETURN_BOOL(change.changed);
}

/*
 * chat.delete_message(application integer, chat integer, number integer, if_revision
 * integer) returns boolean
 */
Datum
chat_delete_message_by_id(PG_FUNCTION_ARGS)
{
	return delete_or_raise(fcinfo, INT4OID);
}

/*
 * chat.delete_message(token text, ...) returns boolean
 */
Datum
chat_delete_message_by_token(PG_FUNCTION_ARGS)
{
	return delete_or_raise(fcinfo, TEXTOID);
}

/*
 * chat.delete_message_json(token text, chat integer, number integer, if_revision integer,
 * if_sender text) returns (as update_message_json)
 */
Datum
chat_delete_message_json(PG_FUNCTION_ARGS)
{
	static SqlSignature signature = {
		SQL_ARGS(TEXTOID, INT4OID, INT4OID, INT4OID, TEXTOID), SQL_RETURNS_ROW(MESSAGE_OUTCOME_TYPES)
	};
	MessageChange change;
	TupleDesc	descriptor;

	sql_signature_check(fcinfo, &signature, InvalidOid);
	descriptor = sql_signature_row(fcinfo, &signature);
	change = delete_message(fcinfo, TEXTOID);
	PG_RETURN_DATUM(message_change_outcome(&change, descriptor));
}
