/*
 * status.c
 *	  The rows of the status views.
 *
 * The views read the tables through functions, which act as the tables' owner.
 * If a view read the tables itself, and a view or a rule had taken the place
 * of a table, the functions behind that would run with the rights of whoever
 * looks at it.
 *
 * Monitoring must not fail on a value that somebody wrote into a column:
 * differences are taken as bigint, and infinite times are left out. Nor must
 * it fail on rows that cannot be read, as when row-level security hides them
 * from the owner: then columns are null.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/resowner.h"

#include "common/chat_tables.h"
#include "common/database_identity.h"
#include "common/spi_plan.h"
#include "core/sql_function.h"
#include "core/status.h"

PG_FUNCTION_INFO_V1(chat_search_status);
PG_FUNCTION_INFO_V1(chat_job_status);

/* An unknown number; no count is negative. */
#define UNKNOWN (-1)

/*
 * When the first message of the chat c above its watermark w was created; and
 * the same if that is not read.
 */
#define SINCE_CREATED \
	"CASE WHEN b.behind > 0 THEN (" \
	"SELECT m.created_at FROM chat.messages AS m WHERE m.application_id = c.application_id" \
	" AND m.chat_number = c.number AND m.number > COALESCE(w.indexed_number, 0)" \
	" ORDER BY m.number LIMIT 1) END"
#define SINCE_UNKNOWN "NULL::timestamptz"

/* What of the index i waits to be indexed anew, or was refused. */
#define QUEUED \
	"SELECT count(*) FILTER (WHERE q.reason IS NULL) AS queued," \
	" count(*) FILTER (WHERE q.reason IS NOT NULL) AS failed," \
	" min(q.queued_at) FILTER (WHERE q.reason IS NULL AND isfinite(q.queued_at)) AS since" \
	" FROM chat_internal.search_queue AS q WHERE q.index_id = i.id"

/*
 * How far the indexes of the database $1 that meet the condition lag, a row for
 * each. The messages of a chat above its watermark wait since the first of them
 * was created; queued messages wait since they were queued.
 */
#define SEARCH_STATUS(columns, since_created, condition) \
	"SELECT " columns " FROM chat_internal.search_indexes AS i" \
	" CROSS JOIN LATERAL (SELECT" \
	" COALESCE(sum(c.messages_count), 0)::int8 AS messages," \
	" COALESCE(sum(c.behind) FILTER (WHERE c.behind > 0), 0)::int8 AS behind," \
	" min(c.since) FILTER (WHERE isfinite(c.since)) AS since FROM (" \
	"SELECT c.messages_count, b.behind, " since_created " AS since" \
	" FROM chat.chats AS c LEFT JOIN LATERAL (SELECT w.indexed_number FROM chat_internal.search_watermarks AS w" \
	" WHERE w.index_id = i.id AND w.application_id = c.application_id AND w.chat_number = c.number LIMIT 1) AS w ON true" \
	" CROSS JOIN LATERAL (SELECT c.last_message_number::int8 - COALESCE(w.indexed_number, 0) AS behind) AS b" \
	") AS c) AS c" \
	" CROSS JOIN LATERAL (" QUEUED ") AS q" \
	" CROSS JOIN LATERAL (SELECT COALESCE(GREATEST(" \
	"extract(epoch FROM clock_timestamp() - LEAST(c.since, q.since)), 0), 0)::float8 AS behind) AS seconds" \
	" WHERE i.owner_database = $1 AND " condition

/* A statement, its result, and as the owner of which table it is executed. */
typedef struct Reading
{
	SavedPlan  *plan;
	const Datum *values;
	ChatTable	table;			/* the table that it reads */
	bool		all_tables;		/* or it reads several */
	RowStore	store;			/* takes the rows; if its member rows is NULL, the number "backlog"
								 * goes to count */
	int64		count;
} Reading;

static void
read_it(Reading *reading)
{
	TableOwnerSwitch caller = reading->all_tables ? table_owner_become(OWNER_SEES_ALL) :
		table_owner_become_of(reading->table, OWNER_SEES_ALL);

	if (reading->store.rows != NULL)
		spi_plan_read_into_replanned(reading->plan, reading->values, reading->store);
	else if (spi_plan_read(reading->plan, reading->values) > 0)
		reading->count = spi_result_int64(0, spi_column("backlog"));
	table_owner_leave(caller);
}

/*
 * Execute a statement, unless it fails, because a table is not what it should
 * be, belongs to somebody else, or hides rows; the worker's own error tells
 * why. Returns whether it succeeded.
 */
static bool
read_if_possible(Reading *reading)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	volatile bool done = false;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		read_it(reading);
		ReleaseCurrentSubTransaction();
		done = true;
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		if (geterrcode() == ERRCODE_QUERY_CANCELED || ERRCODE_TO_CATEGORY(geterrcode()) == ERRCODE_OPERATOR_INTERVENTION)
			PG_RE_THROW();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		if (reading->store.rows != NULL)
			tuplestore_clear(reading->store.rows);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return done;
}

/* The number "backlog" that a statement returns, or UNKNOWN. */
static int64
count_if_possible(SavedPlan *plan, const Datum *values)
{
	Reading		reading = {.plan = plan, .values = values, .all_tables = true, .count = UNKNOWN};

	(void) read_if_possible(&reading);
	return reading.count;
}

/* How many chats there are, by the counters of applications. */
static int64
count_chats(void)
{
	static SavedPlan plan = {.sql = "SELECT COALESCE(sum(a.chats_count), 0)::int8 AS backlog FROM chat.application_counters AS a"};

	return count_if_possible(&plan, NULL);
}

/* Are there more chats than argument 0, where it is not null? */
static bool
are_too_many(FunctionCallInfo fcinfo)
{
	return !PG_ARGISNULL(0) && count_chats() > PG_GETARG_INT32(0);
}

/* The columns of an index's row i. */
#define INDEX_COLUMNS \
	"i.name, i.alias, i.state," \
	" i.uuid IS NOT NULL AND COALESCE(i.verified_start = pg_postmaster_start_time(), false)," \
	" i.created_at"

/*
 * chat_internal.search_status(max_chats integer) returns setof (index, alias, state,
 * usable, created_at, messages, messages_behind, queued, failed, seconds_behind)
 *
 * A row for each index of this database. Columns that cannot be read are null, and
 * so are those that take all chats, if these are more than max_chats.
 */
Datum
chat_search_status(PG_FUNCTION_ARGS)
{
	static SqlSignature signature = {
		SQL_ARGS(INT4OID),
		SQL_RETURNS_ROWS(TEXTOID, TEXTOID, TEXTOID, BOOLOID, TIMESTAMPTZOID, INT8OID, INT8OID, INT8OID, INT8OID, FLOAT8OID)
	};
	static SavedPlan all = SAVED_PLAN(
		SEARCH_STATUS(INDEX_COLUMNS ", c.messages, c.behind, q.queued, q.failed, seconds.behind",
					  SINCE_CREATED, "true"), TEXTOID);
	static SavedPlan numbers = SAVED_PLAN(
		SEARCH_STATUS(INDEX_COLUMNS ", c.messages, c.behind, q.queued, q.failed, NULL::float8",
					  SINCE_UNKNOWN, "true"), TEXTOID);
	static SavedPlan queues = SAVED_PLAN(
		"SELECT " INDEX_COLUMNS ", NULL::int8, NULL::int8, q.queued, q.failed, NULL::float8"
		" FROM chat_internal.search_indexes AS i CROSS JOIN LATERAL (" QUEUED ") AS q WHERE i.owner_database = $1", TEXTOID);
	static SavedPlan indexes = SAVED_PLAN(
		"SELECT " INDEX_COLUMNS ", NULL::int8, NULL::int8, NULL::int8, NULL::int8, NULL::float8"
		" FROM chat_internal.search_indexes AS i WHERE i.owner_database = $1", TEXTOID);
	Datum		database = CStringGetTextDatum(database_identity_current());
	Reading		readings[] = {
		{.plan = &all, .values = &database, .all_tables = true},
		{.plan = &numbers, .values = &database, .all_tables = true},
		{.plan = &queues, .values = &database, .all_tables = true},
		{.plan = &indexes, .values = &database, .table = TABLE_SEARCH_INDEXES}
	};
	RowStore	store;

	sql_signature_check(fcinfo, &signature, InvalidOid);
	store = sql_function_result_store(fcinfo, &signature);
	for (int i = are_too_many(fcinfo) ? 2 : 0; i < lengthof(readings); i++)
	{
		readings[i].store = store;
		if (read_if_possible(&readings[i]))
			break;
	}
	return (Datum) 0;
}

/*
 * How far an index lags, in words, in SPI's memory. Connected to SPI, as the
 * tables' owner.
 */
char *
status_of_index(int32 index)
{
	static SavedPlan plan = SAVED_PLAN(
		SEARCH_STATUS("format('%s messages, %s s', c.behind + q.queued + q.failed,"
					  " round(seconds.behind::numeric, 1)) AS status", SINCE_CREATED, "i.id = $2"),
		TEXTOID, INT4OID);
	Datum		values[2] = {CStringGetTextDatum(database_identity_current()), Int32GetDatum(index)};

	return spi_plan_read(&plan, values) == 0 ? pstrdup("nobody knows how much") :
		spi_result_string(0, spi_column("status"), NULL);
}

/* A row for each job: its name, other columns, and its backlog. */
#define JOBS(columns, source) \
	"SELECT n.job, " columns "," \
	" NULLIF(CASE n.job WHEN 'reconcile' THEN $1 WHEN 'search' THEN $2 END, -1)" \
	" FROM unnest(ARRAY['watch', 'reconcile', 'scrub chats', 'scrub applications', 'purge', 'redis', 'search'," \
	" 'verify search', 'trigram index']) AS n (job)" source

/*
 * chat_internal.job_status(max_chats integer) returns setof (job, runs, last_run_at,
 * last_duration, last_done, total_done, total_repaired, errors, last_error,
 * last_error_at, backlog)
 *
 * The backlog of search takes all chats, and is null if these are more than max_chats.
 * A row for each job, whether it ever ran or not. It works even if much is
 * wrong, since it is there to show that.
 */
Datum
chat_job_status(PG_FUNCTION_ARGS)
{
	static SqlSignature signature = {
		SQL_ARGS(INT4OID),
		SQL_RETURNS_ROWS(TEXTOID, INT8OID, TIMESTAMPTZOID, INTERVALOID, INT8OID, INT8OID,
						 INT8OID, INT8OID, TEXTOID, TIMESTAMPTZOID, INT8OID),
		.any_version = true
	};
	static SavedPlan to_count = {.sql = "SELECT count(*) AS backlog FROM chat_internal.recount_queue"};
	static SavedPlan to_index = SAVED_PLAN(SEARCH_STATUS("c.behind + q.queued AS backlog", SINCE_UNKNOWN, "i.state = 'current'"), TEXTOID);
	static SavedPlan jobs = SAVED_PLAN(JOBS(
		"COALESCE(d.runs, 0), d.last_run_at, d.last_duration, COALESCE(d.last_done, 0),"
		" COALESCE(d.total_done, 0), COALESCE(d.total_repaired, 0), COALESCE(d.errors, 0), d.last_error, d.last_error_at",
		" LEFT JOIN LATERAL (SELECT d.* FROM chat_internal.worker_jobs AS d"
		" WHERE d.owner_database = $3 AND d.job = n.job LIMIT 1) AS d ON true"),
									   INT8OID, INT8OID, TEXTOID);
	static SavedPlan names = SAVED_PLAN(JOBS(
		"NULL::int8, NULL::timestamptz, NULL::interval, NULL::int8, NULL::int8, NULL::int8, NULL::int8, NULL::text, NULL::timestamptz", ""),
										INT8OID, INT8OID, TEXTOID);
	Datum		values[3];
	Reading		reading = {.plan = &jobs, .values = values, .table = TABLE_WORKER_JOBS};

	sql_signature_check(fcinfo, &signature, InvalidOid);
	reading.store = sql_function_result_store(fcinfo, &signature);
	values[2] = CStringGetTextDatum(database_identity_current());
	values[0] = Int64GetDatum(count_if_possible(&to_count, NULL));
	values[1] = Int64GetDatum(are_too_many(fcinfo) ? UNKNOWN : count_if_possible(&to_index, &values[2]));
	if (!read_if_possible(&reading))
	{
		reading.plan = &names;
		(void) read_if_possible(&reading);
	}
	return (Datum) 0;
}
