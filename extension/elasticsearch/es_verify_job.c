/*
 * es_verify_job.c
 *	  Proof that the search index holds what the table holds.
 *
 * The worker verifies a slice of the current index in each run of its job,
 * such that it comes round in pg_chat.scrub_interval; what differs is queued,
 * to be indexed anew, and reported. Before that, whole indexes have to be
 * verified: one that was built, before it takes the place of the current one,
 * and a current one of which it is not known whether it is in step. Whoever
 * owns the tables may verify, and repair, at any time.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "bgworker/worker.h"
#include "changes/change_tracking.h"
#include "common/compat.h"
#include "common/int_array.h"
#include "common/spi_plan.h"
#include "core/arg_error.h"
#include "core/entity_lookup.h"
#include "core/sql_function.h"
#include "counts/recount_jobs.h"
#include "elasticsearch/es_client.h"
#include "elasticsearch/es_index_lifecycle.h"
#include "elasticsearch/es_seq_no.h"
#include "elasticsearch/es_sync_job.h"
#include "elasticsearch/es_verify_job.h"

PG_FUNCTION_INFO_V1(chat_verify_search);
PG_FUNCTION_INFO_V1(chat_repair_search);
PG_FUNCTION_INFO_V1(chat_retry_failed_documents);

#define JOB "verify search"

/* How long Elasticsearch has for an answer: to who waits for it, and to the worker. */
#define CALLER_TIMEOUT_MS 30000
#define WORKER_TIMEOUT_MS 5000

/* How long a run goes on, at least, in milliseconds, and at most, or a slice more. */
#define PASS_MINIMUM_MS 50
#define PASS_BUDGET_MS 200

/* Between passes over an index that has to be verified as a whole. */
#define WHOLE_PAUSE_MS 100

/* A slice that took less is followed by a larger one, one that took more by a smaller. */
#define SLICE_FIRST 1000
#define SLICE_SHORT_MS 20
#define SLICE_LONG_MS 100

/* Differences that a run names in the log, before it only counts them. */
#define DIFFERENCES_LOGGED 10

static const char *
kind_name(DifferenceKind kind)
{
	switch (kind)
	{
		case DIFFERENCE_MISSING:
			return "missing";
		case DIFFERENCE_STALE:
			return "stale";
		case DIFFERENCE_SURPLUS:
			return "surplus";
	}
	return NULL;
}

/* Have the messages that differ indexed anew. Connected to SPI. */
static void
queue_differences(int32 index, const Difference *differences, int count)
{
	static SavedPlan plan = SAVED_PLAN(
		"INSERT INTO chat_internal.search_queue (index_id, application_id, chat_number, number)"
		" SELECT $1, k.application_id, k.chat_number, k.number"
		" FROM ROWS FROM (pg_catalog.unnest($2), pg_catalog.unnest($3), pg_catalog.unnest($4))"
		" AS k (application_id, chat_number, number)",
		INT4OID, INT4ARRAYOID, INT4ARRAYOID, INT4ARRAYOID);
	Int32Array	columns[3];
	Datum		values[4] = {Int32GetDatum(index)};

	for (int i = 0; i < 3; i++)
		int32_array_init(&columns[i], count);
	for (int i = 0; i < count; i++)
	{
		int32_array_append(&columns[0], differences[i].key.application);
		int32_array_append(&columns[1], differences[i].key.chat);
		int32_array_append(&columns[2], differences[i].key.number);
	}
	for (int i = 0; i < 3; i++)
		values[i + 1] = int32_array_datum(&columns[i]);
	spi_plan_write(&plan, values, NULL);
	change_tracking_note(differences[0].key.application, differences[0].key.chat);
}

/* The comparison that a caller wants, by the arguments application and chat. */
static EsCompare
comparison_from_arguments(FunctionCallInfo fcinfo)
{
	EsCompare	comparison = {
		.access = {.timeout_ms = CALLER_TIMEOUT_MS},
		.position = ES_COMPARE_START,
		.last_application = PG_INT32_MAX,
		.last_chat = PG_INT32_MAX,
		.slice_size = ES_COMPARE_SLICE
	};
	char	   *name;

	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("a search index cannot be verified in a transaction that has one snapshot"),
				 errhint("Use the isolation level READ COMMITTED.")));
	if (!es_index_current(&comparison.index, &name))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("there is no search index"),
				 errhint("Set pg_chat.elasticsearch_url, and see chat.search_status and chat.worker_status.")));
	comparison.access.name = name;

	if (PG_ARGISNULL(0) && !PG_ARGISNULL(1))
		arg_error_raise(application_not_found());
	if (PG_ARGISNULL(0))
		return comparison;
	comparison.last_application = PG_GETARG_INT32(0);
	comparison.position.application = comparison.last_application;
	if (PG_ARGISNULL(1))
		application_require(comparison.last_application);
	else
	{
		comparison.last_chat = PG_GETARG_INT32(1);
		comparison.position.chat = comparison.last_chat;
		chat_require(comparison.last_application, comparison.last_chat);
	}
	return comparison;
}

/* Compare all that a caller wants. */
static void
compare(EsCompare *comparison)
{
	while (es_compare_slice(comparison))
		CHECK_FOR_INTERRUPTS();
}

/* Rows of what chat.verify_search returns; context is the function's ReturnSetInfo. */
static void
store_differences(const Difference *differences, int count, void *context)
{
	ReturnSetInfo *rsinfo = context;

	for (int i = 0; i < count; i++)
	{
		Datum		values[4] = {
			Int32GetDatum(differences[i].key.application), Int32GetDatum(differences[i].key.chat),
			Int32GetDatum(differences[i].key.number), CStringGetTextDatum(kind_name(differences[i].kind))
		};
		bool		nulls[4] = {false, false, false, false};

		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
}

/*
 * chat.verify_search(application integer, chat integer)
 * returns setof chat.search_difference
 */
Datum
chat_verify_search(PG_FUNCTION_ARGS)
{
	static SqlSignature signature = {
		SQL_ARGS(INT4OID, INT4OID), SQL_RETURNS_ROWS(INT4OID, INT4OID, INT4OID, TEXTOID)
	};
	EsCompare	comparison;
	TableOwnerSwitch caller;

	sql_signature_check(fcinfo, &signature, InvalidOid);
	(void) sql_function_result_store(fcinfo, &signature);
	caller = table_owner_become(OWNER_SEES_ALL);
	comparison = comparison_from_arguments(fcinfo);
	comparison.report = store_differences;
	comparison.context = fcinfo->resultinfo;
	compare(&comparison);
	table_owner_leave(caller);
	return (Datum) 0;
}

/* A repair by a caller. */
typedef struct Repair
{
	int32		index;
	int64		queued;
} Repair;

/* context is the Repair. */
static void
repair_differences(const Difference *differences, int count, void *context)
{
	Repair	   *repair = context;

	queue_differences(repair->index, differences, count);
	repair->queued += count;
}

/*
 * chat.repair_search(application integer, chat integer) returns bigint
 */
Datum
chat_repair_search(PG_FUNCTION_ARGS)
{
	static SqlSignature signature = {SQL_ARGS(INT4OID, INT4OID), SQL_RETURNS(INT8OID)};
	EsCompare	comparison;
	Repair		repair = {0};
	TableOwnerSwitch caller;

	sql_signature_check(fcinfo, &signature, InvalidOid);
	caller = table_owner_become(OWNER_SEES_ALL);
	comparison = comparison_from_arguments(fcinfo);
	repair.index = comparison.index;
	comparison.report = repair_differences;
	comparison.context = &repair;
	compare(&comparison);
	table_owner_leave(caller);
	PG_RETURN_INT64(repair.queued);
}

/*
 * chat.retry_failed_documents(application integer, chat integer) returns bigint
 */
Datum
chat_retry_failed_documents(PG_FUNCTION_ARGS)
{
	static SavedPlan plan = SAVED_PLAN(
		"UPDATE chat_internal.search_queue SET reason = NULL WHERE reason IS NOT NULL"
		" AND ($1 IS NULL OR application_id OPERATOR(pg_catalog.=) $1)"
		" AND ($2 IS NULL OR chat_number OPERATOR(pg_catalog.=) $2)"
		" RETURNING application_id, chat_number",
		INT4OID, INT4OID);
	static SqlSignature signature = {SQL_ARGS(INT4OID, INT4OID), SQL_RETURNS(INT8OID)};
	TableOwnerSwitch caller;
	Datum		values[2];
	char		nulls[3] = "  ";
	uint64		count;

	sql_signature_check(fcinfo, &signature, InvalidOid);
	for (int i = 0; i < 2; i++)
	{
		values[i] = PG_GETARG_DATUM(i);
		nulls[i] = PG_ARGISNULL(i) ? 'n' : ' ';
	}
	caller = table_owner_become(OWNER_SEES_ALL);
	count = spi_plan_write(&plan, values, nulls);
	if (count > 0)
		change_tracking_note(spi_result_int32(0, 1), spi_result_int32(0, 2));
	table_owner_leave(caller);
	PG_RETURN_INT64(count);
}

/* What the worker finds in an index. */
typedef struct Finding
{
	int32		index;
	uint64		differences;
} Finding;

/* Queue and log what differs; context is the Finding. */
static void
note_differences(const Difference *differences, int count, void *context)
{
	Finding    *finding = context;

	worker_xact_begin("queueing what differs in the search index");
	queue_differences(finding->index, differences, count);
	worker_xact_commit();
	for (int i = 0; i < count && finding->differences + i < DIFFERENCES_LOGGED; i++)
		ereport(LOG,
				(errmsg("pg_chat found message %d of chat %d of application %d %s in the search index; it is indexed anew",
						differences[i].key.number, differences[i].key.chat, differences[i].key.application,
						kind_name(differences[i].kind))));
	if (finding->differences < DIFFERENCES_LOGGED && finding->differences + count >= DIFFERENCES_LOGGED)
		ereport(LOG, (errmsg("pg_chat: more of this run are only counted; see chat.worker_status")));
	finding->differences += count;
}

/* A comparison of an index by the worker, from a position on. */
static EsCompare
comparison_by_worker(Finding *finding, const char *name, MessageKey position, int slice_size)
{
	return (EsCompare) {
		.index = finding->index,
		.access = {name, WORKER_TIMEOUT_MS},
		.in_worker = true,
		.position = position,
		.last_application = PG_INT32_MAX,
		.last_chat = PG_INT32_MAX,
		.slice_size = slice_size,
		.report = note_differences,
		.context = finding
	};
}

/*
 * Where the job stands. The table has the chat; the number in it is known
 * until the worker ends, then the chat begins anew.
 */
static MessageKey
get_position(const MessageKey *last)
{
	bool		full_scan;
	ChatKey chat = job_position(JOB, &full_scan);

	if (chat.application == last->application && chat.chat == last->chat)
		return *last;
	if (chat.application == 0 && chat.chat == 0)
		return ES_COMPARE_START;
	return (MessageKey) {chat.application, chat.chat, PG_INT32_MIN};
}

static long
elapsed_ms(TimestampTz since)
{
	return TimestampDifferenceMilliseconds(since, GetCurrentTimestamp());
}

static int
next_slice_size(int size, TimestampTz started)
{
	if (elapsed_ms(started) < SLICE_SHORT_MS)
		return Min(size * 2, ES_COMPARE_SLICE);
	if (elapsed_ms(started) > SLICE_LONG_MS)
		return Max(size / 2, SLICE_FIRST);
	return size;
}

/*
 * Verify some of the current index, in turn. Returns when to go on: after the
 * time that this part has in the scrub interval.
 */
static long
verify_some(JobRun *run)
{
	static MessageKey last = {0, 0, 0};
	TimestampTz started = GetCurrentTimestamp();
	MemoryContext context = CurrentMemoryContext;
	long		interval_ms = guc_reconcile_interval * 1000L;
	Finding		finding = {0};
	EsCompare	comparison;
	char	   *name;
	uint64		share = 0;
	bool		found;
	bool		more;

	worker_xact_begin("looking for what to verify in the search index");
	MemoryContextSwitchTo(context);
	found = es_index_current(&finding.index, &name);
	if (found)
	{
		share = scrub_share("chat.messages");
		comparison = comparison_by_worker(&finding, name, get_position(&last), SLICE_FIRST);
	}
	worker_xact_commit();
	if (!found)
	{
		run->off = true;
		return interval_ms;
	}

	do
	{
		TimestampTz slice_started = GetCurrentTimestamp();

		CHECK_FOR_INTERRUPTS();
		more = es_compare_slice(&comparison);
		last = more ? comparison.position : (MessageKey) {0, 0, 0};
		worker_xact_begin("noting where verification stands");
		job_set_position(JOB, (ChatKey) {last.application, last.chat}, false);
		worker_xact_commit();
		comparison.slice_size = next_slice_size(comparison.slice_size, slice_started);
	} while (more && elapsed_ms(started) < (comparison.compared < share ? PASS_BUDGET_MS : PASS_MINIMUM_MS));

	run->done = comparison.compared;
	run->repaired = finding.differences;
	return more && comparison.compared < share ? interval_ms * comparison.compared / share : interval_ms;
}

/*
 * Verify an index as a whole, as far as there is time; what differs is queued.
 * Returns whether that is done, and sets *differences.
 */
static bool
verify_whole(const EsIndex *index, JobRun *run, uint64 *differences)
{
	static int32 begun = 0;		/* the index */
	static MessageKey position;
	static uint64 found;
	TimestampTz started = GetCurrentTimestamp();
	Finding		finding = {.index = index->id};
	EsCompare	comparison;
	bool		more = true;

	if (begun != index->id)
	{
		position = ES_COMPARE_START;
		found = 0;
		begun = index->id;
	}
	comparison = comparison_by_worker(&finding, index->name, position, ES_COMPARE_SLICE);
	while (more && elapsed_ms(started) < PASS_BUDGET_MS)
	{
		CHECK_FOR_INTERRUPTS();
		more = es_compare_slice(&comparison);
		position = comparison.position;
		found += finding.differences;
		run->repaired += finding.differences;
		finding.differences = 0;
	}
	run->done = comparison.compared;
	*differences = found;
	if (!more)
		begun = 0;
	return !more;
}

/* Have the index that was built take the place of the current one, once it holds what the table holds. */
static void
verify_built(const EsIndex *current, const EsIndex *built, JobRun *run)
{
	uint64		differences;

	if (!verify_whole(built, run, &differences) || differences > 0)
		return;
	es_index_mark_verified(built, es_seq_no_count(built->name));
	es_index_replace(current, built);
}

/* Find out what differs in the current index: then that is pending, and the index proven. */
static void
verify_unproven(const EsIndex *current, JobRun *run)
{
	uint64		differences;

	if (verify_whole(current, run, &differences))
		es_index_mark_verified(current, es_seq_no_count(current->name));
}

/* Verify what has to be verified as a whole. */
static long
verify_wholly(JobRun *run)
{
	int64		last_version;
	List	   *indexes = search_indexes(&last_version);
	EsIndex *current = es_index_in_state(indexes, INDEX_CURRENT);
	EsIndex *index = es_sync_job_unverified(indexes);

	if (index == NULL || current == NULL)
		run->off = true;
	else if (index == current)
		verify_unproven(current, run);
	else
		verify_built(current, index, run);
	return WHOLE_PAUSE_MS;
}

/*
 * Job: verify whole indexes where that is wanted, or else some of the current
 * one.
 */
long
es_verify_job_run(JobRun *run)
{
	return es_sync_job_wants_verification() ? verify_wholly(run) : verify_some(run);
}

/* Whether there is something to verify before it is time. */
bool
es_verify_job_wanted(void)
{
	return es_sync_job_wants_verification();
}
