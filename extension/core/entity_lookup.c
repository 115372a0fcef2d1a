/*
 * entity_lookup.c
 *	  Applications and chats that arguments name.
 *
 * A parent that does not exist is an error, SQLSTATE P0002. A function looks for
 * it only after it has found nothing, since most calls find something.
 *
 * The caller is connected to SPI, as the tables' owner.
 */
#include "postgres.h"

#include "catalog/pg_type.h"

#include "common/spi_plan.h"
#include "core/entity_lookup.h"

/*
 * The id of the application with this token; fresh: as of now, not as of the
 * calling query's snapshot. Raises P0002 if there is none; the message does not
 * show the token, which is a secret.
 */
int32
application_resolve_token(Datum token, bool fresh)
{
	static SavedPlan plan = SAVED_PLAN(
		"SELECT id FROM chat.applications WHERE token = $1",
		TEXTOID);

	if ((fresh ? spi_plan_read_fresh(&plan, &token) : spi_plan_read(&plan, &token)) == 0)
		arg_error_raise(application_not_found());
	return spi_result_int32(0, 1);
}

/*
 * Raise P0002 if there is no application with this id.
 */
void
application_require(int32 application)
{
	static SavedPlan plan = SAVED_PLAN(
		"SELECT FROM chat.applications WHERE id = $1",
		INT4OID);
	Datum		value = Int32GetDatum(application);

	if (spi_plan_read(&plan, &value) == 0)
		arg_error_raise(application_not_found());
}

/* The application that the arguments name does not exist. */
ArgError
application_not_found(void)
{
	return arg_error_not_found("application", "No application has this id or token.",
							   "Create it with chat.create_application().");
}

/*
 * The number of the chat, argument 1. Raises P0002 if it is null.
 */
int32
chat_argument(FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(1))
		arg_error_raise(chat_not_named());
	return PG_GETARG_INT32(1);
}

/*
 * Raise P0002 if there is no such chat.
 */
void
chat_require(int32 application, int32 chat)
{
	static SavedPlan plan = SAVED_PLAN(
		"SELECT FROM chat.chats WHERE application_id = $1 AND number = $2",
		INT4OID, INT4OID);
	Datum		values[2] = {Int32GetDatum(application), Int32GetDatum(chat)};

	if (spi_plan_read(&plan, values) == 0)
	{
		application_require(application);
		arg_error_raise(chat_not_found(application, chat));
	}
}

/* The chat that the arguments name does not exist. */
ArgError
chat_not_found(int32 application, int32 chat)
{
	return arg_error_not_found(psprintf("chat %d", chat),
							   psprintf("Application %d has no chat with this number.", application),
							   "Create it with chat.create_chat().");
}

/* What names the application or the chat is null. */
ArgError
chat_not_named(void)
{
	return arg_error_not_found("chat", "Application or chat is null or unknown.", NULL);
}
