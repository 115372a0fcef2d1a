/*
 * es_verify_job.c
 *	  The worker's job of verifying that the search index holds what the
 *	  table holds.
 *
 * In each run the worker verifies a part of the current index, so that it
 * comes round in pg_chat.scrub_interval; differences are queued, to be indexed
 * anew, and reported. Before that, whole indexes are verified: one that was
 * built, before it replaces the current one, and a current one that may be out
 * of sync.
 *
 * The job that keeps indexes in sync continues while this one waits for
 * Elasticsearch. So this one only reads and compares: that job alone changes
 * the state of an index, and is told when one was compared as a whole.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/timestamp.h"

#include "bgworker/job_pacing.h"
#include "bgworker/worker_xact.h"
#include "common/spi_plan.h"
#include "elasticsearch/es_client.h"
#include "elasticsearch/es_difference.h"
#include "elasticsearch/es_unverified.h"
#include "elasticsearch/es_stray_rows.h"
#include "elasticsearch/es_verify_job.h"

#define JOB "verify search"

/* The least time of a run, and the time after which it ends, in milliseconds. */
#define RUN_MINIMUM_MS 50
#define RUN_BUDGET_MS 200

/* The pause between runs over an index that has to be verified as a whole. */
#define WHOLE_PAUSE_MS 100

/* The messages of the first slice of a run, and of the smallest. */
#define SLICE_FIRST 1000

/* The differences that a run logs one by one, before it only counts them. */
#define DIFFERENCES_LOGGED 10

/* The differences that the worker finds in an index. */
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
	es_difference_queue(finding->index, differences, count);
	worker_xact_commit();
	for (int i = 0; i < count && finding->differences + i < DIFFERENCES_LOGGED; i++)
		ereport(LOG,
				(errmsg("pg_chat found message %d of chat %d of application %d %s in the search index; it is indexed anew",
						differences[i].key.number, differences[i].key.chat, differences[i].key.application,
						es_difference_name(differences[i].kind))));
	if (finding->differences < DIFFERENCES_LOGGED && finding->differences + count >= DIFFERENCES_LOGGED)
		ereport(LOG, (errmsg("pg_chat: more of this run are only counted; see chat.worker_status")));
	finding->differences += count;
}

/* A comparison of an index by the worker, from a position on. */
static EsCompare
comparison_by_worker(Finding *finding, const char *name, MessageKey position, int slice_size)
{
	return (EsCompare) {
		.table = {finding->index, .in_worker = true},
		.access = {name, ES_TIMEOUT_MS},
		.position = position,
		.last = ES_COMPARE_END,
		.slice_size = slice_size,
		.report = note_differences,
		.context = finding
	};
}

/*
 * The position of the job. The table has the chat; the number within it is
 * known until the worker ends, and then the chat begins anew.
 */
static MessageKey
get_position(const MessageKey *last)
{
	bool		full_scan;
	ChatKey		chat = job_position(JOB, &full_scan);

	if (chat.application == last->application && chat.chat == last->chat)
		return *last;
	if (chat.application == 0 && chat.chat == 0)
		return ES_COMPARE_START;
	return (MessageKey) {chat.application, chat.chat, PG_INT32_MIN};
}

/*
 * Verify a part of the current index, in turn. Returns the time until the next
 * run: the part of the scrub interval that it amounts to.
 */
static long
verify_some(JobRun *run)
{
	static MessageKey last = {0, 0, 0};
	JobPacing	pacing = job_pacing_begin(SLICE_FIRST, SLICE_FIRST, ES_COMPARE_SLICE);
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
		share = job_pacing_share("chat.messages");
		comparison = comparison_by_worker(&finding, name, get_position(&last), pacing.slice_size);
	}
	worker_xact_commit();
	if (!found)
	{
		run->off = true;
		return interval_ms;
	}

	es_stray_rows_delete_next(finding.index);
	do
	{
		CHECK_FOR_INTERRUPTS();
		job_pacing_begin_slice(&pacing);
		more = es_compare_slice(&comparison);
		last = more ? comparison.position : (MessageKey) {0, 0, 0};
		worker_xact_begin("noting where verification stands");
		job_set_position(JOB, (ChatKey) {last.application, last.chat}, false);
		worker_xact_commit();
		job_pacing_end_slice(&pacing);
		comparison.slice_size = pacing.slice_size;
	} while (more && job_pacing_elapsed_ms(&pacing) < (comparison.compared < share ? RUN_BUDGET_MS : RUN_MINIMUM_MS));

	run->done = comparison.compared;
	run->repaired = finding.differences;
	return more ? job_pacing_wait_ms(comparison.compared, share) : interval_ms;
}

/*
 * Verify an index as a whole, as far as time permits, and queue differences. At
 * the end, the current index is in sync except for these. An index that was
 * built is verified again if there were any.
 */
static void
verify_whole(const EsIndex *index, JobRun *run)
{
	static int32 begun = 0;		/* the index */
	static MessageKey position;
	static uint64 found;
	JobPacing	pacing = job_pacing_begin(ES_COMPARE_SLICE, ES_COMPARE_SLICE, ES_COMPARE_SLICE);
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
	while (more && job_pacing_elapsed_ms(&pacing) < RUN_BUDGET_MS)
	{
		CHECK_FOR_INTERRUPTS();
		more = es_compare_slice(&comparison);
		position = comparison.position;
		found += finding.differences;
		run->repaired += finding.differences;
		finding.differences = 0;
	}
	run->done = comparison.compared;
	if (more)
		return;
	begun = 0;
	if (index->state == INDEX_CURRENT || found == 0)
		es_unverified_note_compared(index);
}

/* Verify the index that has to be verified as a whole, if any. */
static long
verify_wholly(JobRun *run)
{
	int64		last_version;
	EsIndex    *index = es_unverified_index(es_index_rows_read(&last_version));

	if (index == NULL)
		run->off = true;
	else
		verify_whole(index, run);
	return WHOLE_PAUSE_MS;
}

/*
 * Job: verify an index as a whole if one has to be, else a part of the current
 * one.
 */
static long
run_verify(JobRun *run)
{
	return es_unverified_exists() ? verify_wholly(run) : verify_some(run);
}

/* Whether an index to be verified as a whole asks for a run before the next one is due. */
static bool
is_wanted(void)
{
	return es_unverified_exists();
}

Job			es_verify_job = {
	.name = JOB,
	.run = run_verify,
	.wanted = is_wanted,
	.pause_ms = WHOLE_PAUSE_MS,
	.outermost = true,
	.uses_network = true
};
