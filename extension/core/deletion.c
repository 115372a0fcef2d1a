/*
 * deletion.c
 *	  Chats and applications that are deleted.
 *
 * What is deleted is marked by deleted_at, in the caller's transaction, which
 * costs the same however large it is. From the commit on it is gone: no function
 * finds it, and it is not counted. Its rows are purged in the same transaction
 * if they are few, and otherwise afterwards: see purge.c.
 *
 *	                delete                     no rows left
 *	  +-------+                 +---------+                    +------+
 *	  | there | --------------> | deleted | -----------------> | gone |
 *	  +-------+                 +---------+                    +------+
 *	      ^        roll back         |     ^  purge, row by row
 *	      +--------------------------+     +-----+
 *
 * A deleted application loses its token and its name at once: it gets others,
 * which nobody knows. So whoever looks for an application by its token need not
 * look for deleted ones.
 *
 * The mark says in which database it was made. A dump has what was deleted, since
 * rows of others may refer to it; where it is restored, the worker must not purge a
 * chat before its messages are there. So it purges what was deleted in its own
 * database alone. The rest, of a dump or from before pg_upgrade, which gives the
 * database another identity, waits for CALL chat.purge(). A subscription's rows are
 * purged by whom they come from.
 *
 * The chat's row is updated, so that whoever writes messages at the same time
 * is either done before, or finds the mark.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "changes/change_tracking.h"
#include "changes/redis_key_queue.h"
#include "common/database_identity.h"
#include "common/random_hex.h"
#include "common/spi_plan.h"
#include "core/application.h"
#include "core/arg_error.h"
#include "core/entity_lookup.h"
#include "core/number_cache.h"
#include "core/purge.h"
#include "core/sql_function.h"

PG_FUNCTION_INFO_V1(chat_delete_chat_by_id);
PG_FUNCTION_INFO_V1(chat_delete_chat_by_token);
PG_FUNCTION_INFO_V1(chat_delete_application_by_id);
PG_FUNCTION_INFO_V1(chat_delete_application_by_token);

/* Mark a chat. Raises P0002 if there is none. */
static void
mark_chat(ChatKey chat)
{
	static SavedPlan plan = SAVED_PLAN(
		"UPDATE chat.chats SET deleted_at = clock_timestamp(), deleted_in = $3, key = NULL"
		" WHERE application_id = $1 AND number = $2 AND deleted_at IS NULL",
		INT4OID, INT4OID, TEXTOID);
	Datum		values[3] = {
		Int32GetDatum(chat.application), Int32GetDatum(chat.chat), CStringGetTextDatum(database_identity_current())
	};

	if (spi_plan_write(&plan, values, NULL) > 0)
		return;
	application_require(chat.application);
	arg_error_raise(chat_not_found(chat.application, chat.chat));
}

/* Count one chat of an application less. */
static void
count_out(int32 application)
{
	static SavedPlan plan = SAVED_PLAN(
		"UPDATE chat.application_counters SET chats_count = chats_count - 1 WHERE application_id = $1",
		INT4OID);
	Datum		value = Int32GetDatum(application);

	spi_plan_write(&plan, &value, NULL);
}

/* Delete the chat that argument 1 names. */
static Datum
delete_chat(FunctionCallInfo fcinfo, SqlFunction *function, int32 application)
{
	ChatKey		chat = {application, chat_argument(fcinfo)};
	int			previous = number_cache_function_begin();
	bool		gone;

	mark_chat(chat);
	count_out(application);
	if (redis_key_queue_in_use())
		redis_key_queue_add_chat(chat.application, chat.chat);
	gone = purge_at_once(chat);
	number_cache_function_end(previous);
	change_tracking_note(application, 0);
	change_tracking_note(application, chat.chat);
	PG_RETURN_BOOL(gone);
}

static SqlFunction delete_chat_function = {
	delete_chat, FUNCTION_WRITES_ALL, {SQL_ARGS(APPLICATION_ARG, INT4OID), SQL_RETURNS(BOOLOID)}
};

/*
 * chat.delete_chat(application integer, chat integer) returns boolean
 */
Datum
chat_delete_chat_by_id(PG_FUNCTION_ARGS)
{
	return sql_function_call_by_id(fcinfo, &delete_chat_function);
}

/*
 * chat.delete_chat(token text, chat integer) returns boolean
 */
Datum
chat_delete_chat_by_token(PG_FUNCTION_ARGS)
{
	return sql_function_call_by_token(fcinfo, &delete_chat_function);
}

/*
 * Mark an application; what it is called from now on is random. Raises P0002 if
 * there is none.
 */
static void
mark_application(int32 application)
{
	static SavedPlan plan = SAVED_PLAN(
		"UPDATE chat.applications SET token = $2, name = $2, key = NULL, deleted_at = clock_timestamp(), deleted_in = $3"
		" WHERE id = $1 AND deleted_at IS NULL",
		INT4OID, TEXTOID, TEXTOID);
	Datum		values[3] = {
		Int32GetDatum(application), CStringGetTextDatum(random_hex(TOKEN_LENGTH)),
		CStringGetTextDatum(database_identity_current())
	};

	if (spi_plan_write(&plan, values, NULL) == 0)
		arg_error_raise(application_not_found());
}

/* Delete the application that argument 0 names. */
static Datum
delete_application(FunctionCallInfo fcinfo, SqlFunction *function, int32 application)
{
	int			previous = number_cache_function_begin();
	int32		above = 0;
	bool		gone;

	mark_application(application);
	gone = purge_mark_chats(application, &above, PURGE_ROWS, true) < PURGE_ROWS &&
		purge_at_once((ChatKey) {.application = application});
	number_cache_function_end(previous);
	change_tracking_note(application, 0);
	PG_RETURN_BOOL(gone);
}

static SqlFunction delete_application_function = {
	delete_application, FUNCTION_WRITES_ALL, {SQL_ARGS(APPLICATION_ARG), SQL_RETURNS(BOOLOID)}
};

/*
 * chat.delete_application(application integer) returns boolean
 */
Datum
chat_delete_application_by_id(PG_FUNCTION_ARGS)
{
	return sql_function_call_by_id(fcinfo, &delete_application_function);
}

/*
 * chat.delete_application(token text) returns boolean
 */
Datum
chat_delete_application_by_token(PG_FUNCTION_ARGS)
{
	return sql_function_call_by_token(fcinfo, &delete_application_function);
}
