/*
 * entity_lookup.c
 *	  Applications and chats that arguments name.
 *
 * A parent that does not exist is an error, SQLSTATE P0002. A function looks
 * for it only after it has found nothing, since most calls find something.
 *
 * The caller is connected to SPI, as the tables' owner.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "port/pg_bitutils.h"

#include "common/compat.h"
#include "common/spi_plan.h"
#include "core/entity_lookup.h"

/*
 * Find the application with this token; fresh: as of now, not as of the calling
 * query's snapshot. Returns false if there is none.
 */
bool
application_find_token(Datum token, bool fresh, int32 *application)
{
	static SavedPlan plan = SAVED_PLAN(
		"SELECT id FROM chat.applications WHERE token = $1",
		TEXTOID);
	bool		found = (fresh ? spi_plan_read_fresh(&plan, &token) : spi_plan_read(&plan, &token)) > 0;

	if (found)
		*application = spi_result_int32(0, spi_column("id"));
	SPI_freetuptable(SPI_tuptable);
	return found;
}

/*
 * The id of the application with this token, as of the calling query's snapshot
 * or, if fresh is true, as of now. Raises P0002 if there is none; the message
 * does not show the token, which is a secret.
 */
int32
application_resolve_token(Datum token, bool fresh)
{
	int32		application;

	if (!application_find_token(token, fresh, &application))
		arg_error_raise(application_not_found());
	return application;
}

static bool
tokens_equal(const text *a, const text *b)
{
	return VARSIZE_ANY_EXHDR(a) == VARSIZE_ANY_EXHDR(b) &&
		memcmp(VARDATA_ANY(a), VARDATA_ANY(b), VARSIZE_ANY_EXHDR(a)) == 0;
}

/*
 * Replace an array of tokens by one of the applications' ids, as of the calling
 * query's snapshot. A token that no application has becomes null. Each token is
 * looked up once, however often it occurs.
 */
void
applications_resolve_tokens(ArrayArg *applications)
{
	uint32		mask = pg_nextpower2_32(Max(applications->count, 1) * 2) - 1;
	int		   *places = palloc0((Size) (mask + 1) * sizeof(int));	/* hash table of the first
																	 * place of each token, counted
																	 * from 1 */
	Datum	   *ids = palloc((Size) (applications->count + 1) * sizeof(Datum));
	bool	   *nulls = palloc((Size) (applications->count + 1) * sizeof(bool));

	for (int i = 0; i < applications->count; i++)
	{
		const text *token;
		uint32		hash;
		int			first;
		int32		application = 0;

		nulls[i] = applications->nulls[i];
		if (nulls[i])
			continue;
		token = DatumGetTextPP(applications->values[i]);
		hash = hash_bytes((const unsigned char *) VARDATA_ANY(token), VARSIZE_ANY_EXHDR(token)) & mask;
		while (places[hash] != 0 && !tokens_equal(token, DatumGetTextPP(applications->values[places[hash] - 1])))
			hash = (hash + 1) & mask;
		if (places[hash] != 0)
		{
			first = places[hash] - 1;
			ids[i] = ids[first];
			nulls[i] = nulls[first];
			continue;
		}
		places[hash] = i + 1;
		nulls[i] = !application_find_token(applications->values[i], false, &application);
		ids[i] = Int32GetDatum(application);
	}
	applications->values = ids;
	applications->nulls = nulls;
}

/* Whether there is an application with this id. */
static bool
application_exists(int32 application)
{
	static SavedPlan plan = SAVED_PLAN(
		"SELECT FROM chat.applications WHERE id = $1 AND deleted_at IS NULL",
		INT4OID);
	Datum		value = Int32GetDatum(application);

	return spi_plan_read(&plan, &value) > 0;
}

/*
 * Raise P0002 if there is no application with this id.
 */
void
application_require(int32 application)
{
	if (!application_exists(application))
		arg_error_raise(application_not_found());
}

/* The error that the application which the arguments name does not exist. */
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

/* What is missing where a chat is looked for: the application, the chat, or neither. */
ArgError
chat_missing(int32 application, int32 chat)
{
	static SavedPlan plan = SAVED_PLAN(
		"SELECT FROM chat.chats WHERE application_id = $1 AND number = $2 AND deleted_at IS NULL",
		INT4OID, INT4OID);
	Datum		values[2] = {Int32GetDatum(application), Int32GetDatum(chat)};

	if (spi_plan_read(&plan, values) > 0)
		return (ArgError) {0};
	return application_exists(application) ? chat_not_found(application, chat) : application_not_found();
}

/* Raise P0002 if there is no such chat, or no such application. */
void
chat_require(int32 application, int32 chat)
{
	ArgError	missing = chat_missing(application, chat);

	if (missing.sqlstate != 0)
		arg_error_raise(missing);
}

/* The error that the chat which the arguments name does not exist. */
ArgError
chat_not_found(int32 application, int32 chat)
{
	return arg_error_not_found(psprintf("chat %d", chat),
							   psprintf("Application %d has no chat with this number.", application),
							   "Create it with chat.create_chat().");
}

/* The error that an argument which names the application or the chat is null. */
ArgError
chat_not_named(void)
{
	return arg_error_not_found("chat", "Application or chat is null or unknown.", NULL);
}
