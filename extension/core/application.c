/*
 * application.c
 *	  Applications, which own chats.
 *
 * An application has an id, for those who own the database; a token, a random
 * secret by which callers name it; and a name for people, unique regardless of
 * letter case.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#include "changes/change_tracking.h"
#include "common/case_fold.h"
#include "common/compat.h"
#include "common/json_write.h"
#include "common/random_hex.h"
#include "common/spi_plan.h"
#include "core/application.h"
#include "core/application_ids.h"
#include "core/arg_error.h"
#include "core/entity_lookup.h"
#include "core/message_check.h"
#include "core/message_to_json.h"
#include "core/number_cache.h"
#include "core/pagination.h"
#include "core/replay.h"
#include "core/sql_function.h"

PG_FUNCTION_INFO_V1(chat_create_application);
PG_FUNCTION_INFO_V1(chat_create_application_json);
PG_FUNCTION_INFO_V1(chat_rotate_token_by_id);
PG_FUNCTION_INFO_V1(chat_rotate_token_by_token);
PG_FUNCTION_INFO_V1(chat_get_application_by_id);
PG_FUNCTION_INFO_V1(chat_get_application_by_token);
PG_FUNCTION_INFO_V1(chat_list_applications);

/* The most characters of an application's name. */
#define APPLICATION_NAME_MAXIMUM 255

/* The most ids that are tried for a new application, if they are taken. */
#define ID_ATTEMPTS 10

#define APPLICATION_COLUMNS INT4OID, TEXTOID, TEXTOID, INT4OID, TIMESTAMPTZOID
#define APPLICATION_SELECT \
	"SELECT a.id, a.token, a.name, COALESCE(c.chats_count, 0), a.created_at" \
	" FROM chat.applications AS a LEFT JOIN LATERAL (SELECT c.chats_count FROM chat.application_counters AS c" \
	" WHERE c.application_id = a.id LIMIT 1) AS c ON true WHERE a.deleted_at IS NULL AND "

static void
check_name(const text *name)
{
	if (name == NULL || text_is_blank(name))
		arg_error_raise(arg_error_blank("application", "name"));
	if (pg_mbstrlen_with_len(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name)) > APPLICATION_NAME_MAXIMUM)
		arg_error_raise(arg_error_too_long("application", "name", APPLICATION_NAME_MAXIMUM, "characters"));
}

/* Whether an application has this name, in any letter case. */
static bool
name_is_taken(Datum name)
{
	static SavedPlan plan = SAVED_PLAN(
		"SELECT FROM chat.applications WHERE chat.fold(name) COLLATE \"C\" = chat.fold($1) COLLATE \"C\"",
		TEXTOID);

	return spi_plan_read_fresh(&plan, &name) > 0;
}

/* A new application. */
typedef struct ApplicationInsert
{
	Datum		name;
	text	   *key;			/* or NULL */
	Datum		token;
	int32		id;
	TimestampTz created_at;
	bool		replayed;		/* it was there already, by its key */
} ApplicationInsert;

/*
 * Find the application that was created with the key, if one is given. Returns false if
 * there is none. Raises 23505 if that has another name.
 */
static bool
find_by_key(ApplicationInsert *application)
{
	static SavedPlan plan = SAVED_PLAN(
		"SELECT id, created_at, token, name COLLATE \"C\" = $2 FROM chat.applications WHERE key = $1",
		TEXTOID, TEXTOID);
	Datum		values[2] = {PointerGetDatum(application->key), application->name};

	if (application->key == NULL || spi_plan_read_fresh(&plan, values) == 0)
		return false;
	if (!spi_result_bool(0, 4))
		arg_error_raise(arg_error_key_used("application", "There is an application with this key."));
	application->id = spi_result_int32(0, 1);
	application->created_at = DatumGetTimestampTz(spi_result(0, 2, TIMESTAMPTZOID, NULL));
	application->token = PointerGetDatum(spi_result_text(0, 3, NULL));
	application->replayed = true;
	replay_note();
	return true;
}

/*
 * Insert an application and its counters.
 *
 * The id comes from the sequence. That lags behind if ids were inserted
 * explicitly and the trigger that advances it did not fire, as for rows that a
 * subscription or a partitioned table's COPY brings. It is then advanced, and
 * the application gets another id. If that does not help, the last attempt
 * raises whatever the conflict is.
 *
 * Of twins, with one key, the second waits for the first, and then finds it.
 */
static void
insert_application(ApplicationInsert *application)
{
#define INSERT_APPLICATION(target) \
	"WITH created AS (" \
	" INSERT INTO chat.applications (name, token, key) VALUES ($1, $2, $3)" \
	" ON CONFLICT " target " DO NOTHING RETURNING id, created_at)," \
	" counted AS (INSERT INTO chat.application_counters (application_id) SELECT created.id FROM created)" \
	" SELECT id, created_at FROM created"
	static SavedPlan insert = SAVED_PLAN(INSERT_APPLICATION(""), TEXTOID, TEXTOID, TEXTOID);
	static SavedPlan insert_or_raise = SAVED_PLAN(
		INSERT_APPLICATION("(chat.fold(name) COLLATE \"C\")"), TEXTOID, TEXTOID, TEXTOID);
	Datum		values[3] = {application->name, application->token, PointerGetDatum(application->key)};
	char		nulls[3] = {' ', ' ', application->key == NULL ? 'n' : ' '};

	for (int attempt = 1;; attempt++)
	{
		if (spi_plan_write(attempt < ID_ATTEMPTS ? &insert : &insert_or_raise, values, nulls) > 0)
			break;
		if (find_by_key(application))
			return;
		if (attempt == ID_ATTEMPTS || name_is_taken(application->name))
			arg_error_raise(arg_error_taken("application", "name",
											psprintf("There is an application named \"%s\", perhaps in another letter case.",
													 text_to_cstring(DatumGetTextPP(application->name))),
											NULL));
		application_ids_advance("chat.applications");
	}
	application->id = spi_result_int32(0, 1);
	application->created_at = DatumGetTimestampTz(spi_result(0, 2, TIMESTAMPTZOID, NULL));
}

/* Create the application that the arguments describe: a name, and a key or null. */
static ApplicationInsert
create_application(FunctionCallInfo fcinfo)
{
	ApplicationInsert application = {.key = PG_ARGISNULL(1) ? NULL : PG_GETARG_TEXT_PP(1)};
	MemoryContext context = CurrentMemoryContext;
	TableOwnerSwitch caller;
	int			previous;

	check_name(PG_ARGISNULL(0) ? NULL : PG_GETARG_TEXT_PP(0));
	if (application.key != NULL)
		arg_error_check(message_check_key("application", application.key));
	application.name = PG_GETARG_DATUM(0);
	application.token = CStringGetTextDatum(random_hex(TOKEN_LENGTH));
	caller = table_owner_become(OWNER_SEES_BY_POLICY);
	previous = number_cache_function_begin();
	if (!find_by_key(&application))
		insert_application(&application);
	number_cache_function_end(previous);
	if (application.replayed)
	{
		MemoryContextSwitchTo(context);
		application.token = PointerGetDatum(DatumGetTextPCopy(application.token));
	}
	table_owner_leave(caller);
	if (!application.replayed)
		change_tracking_note(application.id, 0);
	return application;
}

/*
 * chat.create_application(name text, key text, OUT id integer, OUT token text)
 */
Datum
chat_create_application(PG_FUNCTION_ARGS)
{
	static SqlSignature signature = {SQL_ARGS(TEXTOID, TEXTOID), SQL_RETURNS_ROW(INT4OID, TEXTOID)};
	TupleDesc	descriptor;
	ApplicationInsert application;
	Datum		values[2];
	bool		nulls[2] = {false, false};

	sql_signature_check(fcinfo, &signature, InvalidOid);
	descriptor = sql_signature_row(fcinfo, &signature);
	application = create_application(fcinfo);
	values[0] = Int32GetDatum(application.id);
	values[1] = application.token;
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(descriptor, values, nulls)));
}

static void
append_text(StringInfo json, const text *value)
{
	json_append_string(json, VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value));
}

/*
 * chat.create_application_json(name text, key text, OUT id integer, OUT application json,
 * OUT replayed boolean)
 */
Datum
chat_create_application_json(PG_FUNCTION_ARGS)
{
	static SqlSignature signature = {SQL_ARGS(TEXTOID, TEXTOID), SQL_RETURNS_ROW(INT4OID, JSONOID, BOOLOID)};
	TupleDesc	descriptor;
	ApplicationInsert application;
	StringInfoData json;
	Datum		values[3];
	bool		nulls[3] = {false};

	sql_signature_check(fcinfo, &signature, InvalidOid);
	descriptor = sql_signature_row(fcinfo, &signature);
	application = create_application(fcinfo);
	initStringInfo(&json);
	json_append_literal(&json, "{\"token\":");
	append_text(&json, DatumGetTextPP(application.token));
	json_append_literal(&json, ",\"name\":");
	append_text(&json, DatumGetTextPP(application.name));
	json_append_literal(&json, ",\"chats_count\":0,\"created_at\":");
	json_append_time(&json, application.created_at);
	json_append_literal(&json, "}");
	values[0] = Int32GetDatum(application.id);
	values[1] = PointerGetDatum(cstring_to_text_with_len(json.data, json.len));
	values[2] = BoolGetDatum(application.replayed);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(descriptor, values, nulls)));
}

/*
 * Replace the token of the application that a statement finds by argument 0,
 * and return it. Its key, by which the old one was given, is void, too. Raises P0002 if there is none. The update itself looks for the
 * token, so that of two calls that rotate the same token at a time, one finds
 * it void.
 */
static Datum
rotate_token(FunctionCallInfo fcinfo, SqlSignature *signature, Oid application_type, SavedPlan *update)
{
	TableOwnerSwitch caller;
	Datum		values[2];

	sql_signature_check(fcinfo, signature, application_type);
	if (PG_ARGISNULL(0))
		arg_error_raise(application_not_found());
	values[0] = PG_GETARG_DATUM(0);
	values[1] = CStringGetTextDatum(random_hex(TOKEN_LENGTH));

	caller = table_owner_become(OWNER_SEES_BY_POLICY);
	if (spi_plan_write(update, values, NULL) == 0)
		arg_error_raise(application_not_found());
	table_owner_leave(caller);
	PG_RETURN_DATUM(values[1]);
}

static SqlSignature rotate_token_signature = {SQL_ARGS(APPLICATION_ARG), SQL_RETURNS(TEXTOID)};

/*
 * chat.rotate_token(application integer) returns text
 */
Datum
chat_rotate_token_by_id(PG_FUNCTION_ARGS)
{
	static SavedPlan plan = SAVED_PLAN(
		"UPDATE chat.applications SET token = $2, key = NULL WHERE id = $1 AND deleted_at IS NULL",
		INT4OID, TEXTOID);

	return rotate_token(fcinfo, &rotate_token_signature, INT4OID, &plan);
}

/*
 * chat.rotate_token(token text) returns text
 */
Datum
chat_rotate_token_by_token(PG_FUNCTION_ARGS)
{
	static SavedPlan plan = SAVED_PLAN(
		"UPDATE chat.applications SET token = $2, key = NULL WHERE token = $1",
		TEXTOID, TEXTOID);

	return rotate_token(fcinfo, &rotate_token_signature, TEXTOID, &plan);
}

static SqlSignature get_application_signature = {SQL_ARGS(APPLICATION_ARG), SQL_RETURNS_ROWS(APPLICATION_COLUMNS)};

/* Return the row that a statement finds by argument 0, or none. */
static Datum
get_application(FunctionCallInfo fcinfo, Oid application_type, SavedPlan *plan)
{
	TableOwnerSwitch caller;
	RowStore	store;
	Datum		value;

	sql_signature_check(fcinfo, &get_application_signature, application_type);
	store = sql_function_result_store(fcinfo, &get_application_signature);
	if (PG_ARGISNULL(0))
		return (Datum) 0;
	value = PG_GETARG_DATUM(0);
	caller = table_owner_become(OWNER_SEES_BY_POLICY);
	spi_plan_read_into(plan, &value, store);
	table_owner_leave(caller);
	return (Datum) 0;
}

/*
 * chat.get_application(application integer) returns setof chat.application
 */
Datum
chat_get_application_by_id(PG_FUNCTION_ARGS)
{
	static SavedPlan plan = SAVED_PLAN(APPLICATION_SELECT "a.id = $1", INT4OID);

	return get_application(fcinfo, INT4OID, &plan);
}

/*
 * chat.get_application(token text) returns setof chat.application
 */
Datum
chat_get_application_by_token(PG_FUNCTION_ARGS)
{
	static SavedPlan plan = SAVED_PLAN(APPLICATION_SELECT "a.token = $1", TEXTOID);

	return get_application(fcinfo, TEXTOID, &plan);
}

/*
 * chat.list_applications(after integer, before integer, "limit" integer)
 * returns setof chat.application
 */
Datum
chat_list_applications(PG_FUNCTION_ARGS)
{
	static SqlSignature signature = {
		SQL_ARGS(INT4OID, INT4OID, INT4OID), SQL_RETURNS_ROWS(APPLICATION_COLUMNS)
	};
	static PagePlans plans = {
		SAVED_PLAN(PAGE_SQL_FROM_START(APPLICATION_SELECT "true", "a.id", "$1", "$2", "$3"),
				   INT4OID, INT4OID, INT8OID),
		SAVED_PLAN(PAGE_SQL_FROM_END(APPLICATION_SELECT "true", "a.id", "$1", "$2", "$3"),
				   INT4OID, INT4OID, INT8OID)
	};
	TableOwnerSwitch caller;
	ListPage	page;
	RowStore	store;

	sql_signature_check(fcinfo, &signature, InvalidOid);
	page = page_from_arguments(fcinfo, 0);
	store = sql_function_result_store(fcinfo, &signature);
	caller = table_owner_become(OWNER_SEES_BY_POLICY);
	page_store(&plans, NULL, 0, page, store);
	table_owner_leave(caller);
	return (Datum) 0;
}
