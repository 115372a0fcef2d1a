/*
 * application.c
 *	  Applications: who owns chats.
 *
 * An application has an id, for those who own the database; a token, a random
 * secret that names it to its callers; and a name, unique without regard to
 * letter case, that only people read.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "core/number_cache.h"
#include "funcapi.h"
#include "utils/builtins.h"

#include "changes/change_tracking.h"
#include "common/case_fold.h"
#include "common/compat.h"
#include "common/schema_version.h"
#include "common/spi_plan.h"
#include "core/application.h"
#include "core/pagination.h"
#include "core/sql_function.h"

PG_FUNCTION_INFO_V1(chat_create_application);
PG_FUNCTION_INFO_V1(chat_rotate_token_by_id);
PG_FUNCTION_INFO_V1(chat_rotate_token_by_token);
PG_FUNCTION_INFO_V1(chat_get_application_by_id);
PG_FUNCTION_INFO_V1(chat_get_application_by_token);
PG_FUNCTION_INFO_V1(chat_list_applications);

#define APPLICATION_SELECT \
	"SELECT a.id, a.token, a.name, COALESCE(c.chats_count, 0), a.created_at" \
	" FROM chat.applications AS a LEFT JOIN chat.application_counters AS c" \
	" ON c.application_id OPERATOR(pg_catalog.=) a.id WHERE "

/*
 * A new random token, in the current memory context.
 */
static char *
token_generate(void)
{
	uint8		random[TOKEN_LENGTH / 2];
	char	   *token = palloc(TOKEN_LENGTH + 1);

	if (!pg_strong_random(random, sizeof(random)))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate a random token")));
	hex_encode((char *) random, sizeof(random), token);
	token[TOKEN_LENGTH] = '\0';
	return token;
}

/*
 * The id of the application with this token. Raises P0002 if there is none;
 * the message does not show the token, which is a secret.
 */
int32
application_resolve_token(Datum token, SqlFunctionAccess access)
{
	static SavedPlan plan = SAVED_PLAN(
		"SELECT id FROM chat.applications WHERE token OPERATOR(pg_catalog.=) $1",
		TEXTOID);

	if ((access == FUNCTION_READS ? spi_plan_read(&plan, &token) : spi_plan_write(&plan, &token, NULL)) == 0)
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
		"SELECT id FROM chat.applications WHERE id OPERATOR(pg_catalog.=) $1",
		INT4OID);
	Datum		value = Int32GetDatum(application);

	if (spi_plan_read(&plan, &value) == 0)
		arg_error_raise(application_not_found());
}

/* That the application, which the arguments name, does not exist. */
ArgError
application_not_found(void)
{
	return arg_error_not_found("application", "No application has this id or token.",
							 "Create it with chat.create_application().");
}

static void
check_name(const text *name)
{
	if (name == NULL || text_is_blank(name))
		arg_error_raise(arg_error_blank("application", "name"));
	if (pg_mbstrlen_with_len(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name)) > APPLICATION_NAME_MAXIMUM)
		arg_error_raise(arg_error_too_long("application", "name", APPLICATION_NAME_MAXIMUM, "characters"));
}

/*
 * chat.create_application(name text, OUT id integer, OUT token text)
 */
Datum
chat_create_application(PG_FUNCTION_ARGS)
{
	static SavedPlan insert = SAVED_PLAN(
		"WITH created AS ("
		" INSERT INTO chat.applications (name, token) VALUES ($1, $2)"
		" ON CONFLICT (chat.fold(name) COLLATE pg_catalog.\"C\") DO NOTHING RETURNING id)"
		" INSERT INTO chat.application_counters (application_id)"
		" SELECT id FROM created RETURNING application_id",
		TEXTOID, TEXTOID);
	text	   *name;
	char	   *token;
	TupleDesc	descriptor;
	Datum		values[2];
	bool		nulls[2] = {false, false};
	int			previous;

	schema_version_require();
	name = PG_ARGISNULL(0) ? NULL : PG_GETARG_TEXT_PP(0);
	token = token_generate();
	check_name(name);
	if (get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");

	SPI_connect();
	previous = number_cache_function_begin();
	values[0] = PointerGetDatum(name);
	values[1] = CStringGetTextDatum(token);
	if (spi_plan_write(&insert, values, NULL) == 0)
		arg_error_raise(arg_error_taken("application", "name",
									psprintf("There is an application named \"%s\", perhaps in another letter case.",
											 text_to_cstring(name)),
									NULL));
	values[0] = Int32GetDatum(spi_result_int32(0, 1));
	number_cache_function_end(previous);
	SPI_finish();
	change_tracking_note(DatumGetInt32(values[0]), 0);

	values[1] = CStringGetTextDatum(token);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(descriptor), values, nulls)));
}

/*
 * Replace the token of the application that a statement finds by argument 0.
 * By its token it is found in the very update, so that of two who rotate the
 * same token at a time, one finds it void.
 */
static Datum
rotate_token(FunctionCallInfo fcinfo, SavedPlan *update)
{
	char	   *token = token_generate();
	Datum		values[2] = {0, CStringGetTextDatum(token)};

	schema_version_require();
	SPI_connect();
	if (PG_ARGISNULL(0))
		arg_error_raise(application_not_found());
	values[0] = PG_GETARG_DATUM(0);
	if (spi_plan_write(update, values, NULL) == 0)
		arg_error_raise(application_not_found());
	SPI_finish();
	PG_RETURN_DATUM(values[1]);
}

/*
 * chat.rotate_token(application integer) returns text
 */
Datum
chat_rotate_token_by_id(PG_FUNCTION_ARGS)
{
	static SavedPlan plan = SAVED_PLAN(
		"UPDATE chat.applications SET token = $2 WHERE id OPERATOR(pg_catalog.=) $1",
		INT4OID, TEXTOID);

	return rotate_token(fcinfo, &plan);
}

/*
 * chat.rotate_token(token text) returns text
 */
Datum
chat_rotate_token_by_token(PG_FUNCTION_ARGS)
{
	static SavedPlan plan = SAVED_PLAN(
		"UPDATE chat.applications SET token = $2 WHERE token OPERATOR(pg_catalog.=) $1",
		TEXTOID, TEXTOID);

	return rotate_token(fcinfo, &plan);
}

/* The row, if any, that a statement finds by argument 0. */
static Datum
get_application(FunctionCallInfo fcinfo, SavedPlan *plan)
{
	RowStore	store = sql_function_result_store(fcinfo);
	Datum		value;

	if (PG_ARGISNULL(0))
		return (Datum) 0;
	value = PG_GETARG_DATUM(0);
	SPI_connect();
	spi_plan_read_into(plan, &value, store);
	SPI_finish();
	return (Datum) 0;
}

/*
 * chat.get_application(application integer) returns setof chat.application
 */
Datum
chat_get_application_by_id(PG_FUNCTION_ARGS)
{
	static SavedPlan plan = SAVED_PLAN(
		APPLICATION_SELECT "a.id OPERATOR(pg_catalog.=) $1", INT4OID);

	return get_application(fcinfo, &plan);
}

/*
 * chat.get_application(token text) returns setof chat.application
 */
Datum
chat_get_application_by_token(PG_FUNCTION_ARGS)
{
	static SavedPlan plan = SAVED_PLAN(
		APPLICATION_SELECT "a.token OPERATOR(pg_catalog.=) $1", TEXTOID);

	return get_application(fcinfo, &plan);
}

/*
 * chat.list_applications(after integer, before integer, "limit" integer)
 * returns setof chat.application
 */
Datum
chat_list_applications(PG_FUNCTION_ARGS)
{
	static PagePlans plans = {
		SAVED_PLAN(PAGE_SQL_FROM_START(APPLICATION_SELECT "true", "a.id", "$1", "$2", "$3"),
		INT4OID, INT4OID, INT8OID),
		SAVED_PLAN(PAGE_SQL_FROM_END(APPLICATION_SELECT "true", "a.id", "$1", "$2", "$3"),
		INT4OID, INT4OID, INT8OID)
	};
	RowStore	store = sql_function_result_store(fcinfo);
	ListPage		page = page_from_arguments(fcinfo, 0);

	SPI_connect();
	page_store(&plans, NULL, 0, page, store);
	SPI_finish();
	return (Datum) 0;
}
