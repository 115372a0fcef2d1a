/*
 * chat_positions.c
 *	  Positions of chats: the highest numbers and revisions.
 *
 * A position consists of the highest number of a chat's messages, and of the
 * last revision that was given to a change of one. Clients that follow a chat
 * compare it with their own position.
 */
#include "postgres.h"

#include "catalog/pg_type.h"

#include "common/spi_plan.h"
#include "core/array_args.h"
#include "core/message_multi.h"
#include "core/sql_function.h"

PG_FUNCTION_INFO_V1(chat_get_positions_by_id);
PG_FUNCTION_INFO_V1(chat_get_positions_by_token);

/* The positions of the chats that items name. Parameters: applications, chats. */
#define GET_POSITIONS(key) \
	"SELECT k.item::int4, a.id, c.last_message_number, c.last_revision" \
	" FROM ROWS FROM (unnest($1), unnest($2)) WITH ORDINALITY AS k (application, chat, item)" \
	JOIN_APPLICATION(key) \
	JOIN_ONE("SELECT chats.last_message_number, chats.last_revision FROM chat.chats" \
			 " WHERE chats.application_id = a.id AND chats.number = k.chat AND chats.deleted_at IS NULL", "c") \
	" ORDER BY k.item"

/* The body of both forms; plan is of GET_POSITIONS. */
static Datum
get_positions(FunctionCallInfo fcinfo, SavedPlan *plan, Oid application_type)
{
	static SqlSignature signature = {
		SQL_ARGS(APPLICATION_ARG, INT4ARRAYOID), SQL_RETURNS_ROWS(INT4OID, INT4OID, INT4OID, INT4OID)
	};
	TableOwnerSwitch caller;
	RowStore	store;
	Datum		values[2];

	sql_signature_check(fcinfo, &signature, plan->argtypes[0]);
	store = sql_function_result_store(fcinfo, &signature);
	caller = table_owner_become(OWNER_SEES_BY_POLICY);
	array_arg_of_count(fcinfo, 1, INT4OID, "chats", array_arg_of_applications(fcinfo, application_type).count);
	values[0] = PG_GETARG_DATUM(0);
	values[1] = PG_GETARG_DATUM(1);
	spi_plan_read_into(plan, values, store);
	table_owner_leave(caller);
	return (Datum) 0;
}

/*
 * chat.get_positions(applications integer[], chats integer[]) returns setof
 * (item integer, application_id integer, number integer, revision integer)
 */
Datum
chat_get_positions_by_id(PG_FUNCTION_ARGS)
{
	static SavedPlan plan = SAVED_PLAN(GET_POSITIONS("id"), INT4ARRAYOID, INT4ARRAYOID);

	return get_positions(fcinfo, &plan, INT4OID);
}

/*
 * chat.get_positions(tokens text[], chats integer[]) returns setof (...)
 */
Datum
chat_get_positions_by_token(PG_FUNCTION_ARGS)
{
	static SavedPlan plan = SAVED_PLAN(GET_POSITIONS("token"), TEXTARRAYOID, INT4ARRAYOID);

	return get_positions(fcinfo, &plan, TEXTOID);
}
