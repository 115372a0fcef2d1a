/*
 * recount_parts.c
 *	  A parent whose children are counted in parts.
 *
 * A chat may have more messages than can be counted in one statement while the
 * worker's other jobs wait. It is counted in parts then, by ranges of numbers,
 * each in a transaction of its own, in many runs of the job. There is one such
 * parent at a time; the others stay in the queue.
 *
 * DESIGN
 *
 *		first	mark the parent in the queue; read its counter, and the highest
 *				number of a child
 *		parts	count the children through that number
 *		last	read the counter, and count the children above that number
 *
 * If nobody touched the children through that number meanwhile, the parts and
 * the rest are what there is in the snapshot of the last step, and the rest is as
 * for a parent that was counted in one statement (recount.c). Who touches them
 * is found by the last step:
 *
 *	- By other ways than the functions, they queue the parent in the same
 *	  transaction: there is something in the queue besides the mark. It stays
 *	  there, so the parent is counted once more; what was counted is near enough
 *	  until then, for its counter is as wrong as the change was large. So the
 *	  counter follows also where somebody goes on changing a parent.
 *	- A child that the functions gave a number below the highest, which was
 *	  named, counts in the counter, and is not above: the counter has risen by
 *	  more than the children that are above. Then nothing is repaired, and the
 *	  parent stays in the queue.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "bgworker/job_pacing.h"
#include "bgworker/worker_xact.h"
#include "changes/recount_queue.h"
#include "common/spi_plan.h"
#include "counts/recount.h"
#include "counts/recount_parts.h"

/* Children of a part: of the first, and at most. */
#define PART_FIRST 100
#define PART_MAX 1000000

/* The statements about a kind of parent. */
typedef struct PartsStatements
{
	SavedPlan	look;			/* also counts the children above $3 */
	SavedPlan	part;
} PartsStatements;

static PartsStatements chats = {
	.look = SAVED_PLAN(
		"SELECT c.created_at, false AS missing, c.messages_count AS stored_count, c.last_message_number AS stored_highest,"
		" m.highest, m.rest FROM chat.chats AS c, LATERAL (SELECT"
		" COALESCE((SELECT max(m.number) FROM chat.messages AS m"
		" WHERE m.application_id = c.application_id AND m.chat_number = c.number), 0) AS highest,"
		" (SELECT count(*) FROM chat.messages AS m WHERE m.application_id = c.application_id"
		" AND m.chat_number = c.number AND m.number > $3) AS rest) AS m"
		" WHERE c.application_id = $1 AND c.number = $2",
		INT4OID, INT4OID, INT4OID),
	.part = SAVED_PLAN(
		"SELECT count(*), max(m.number) AS last FROM (SELECT number FROM chat.messages"
		" WHERE application_id = $1 AND chat_number = $2 AND number > $3 AND number <= $4 ORDER BY number LIMIT $5) AS m",
		INT4OID, INT4OID, INT4OID, INT4OID, INT8OID)
};

static PartsStatements applications = {
	.look = SAVED_PLAN(
		"SELECT a.created_at, s.application_id IS NULL AS missing,"
		" COALESCE(s.chats_count, 0) AS stored_count, COALESCE(s.last_chat_number, 0) AS stored_highest,"
		" c.highest, c.rest FROM chat.applications AS a"
		" LEFT JOIN LATERAL (SELECT s.* FROM chat.application_counters AS s"
		" WHERE s.application_id = a.id LIMIT 1) AS s ON true, LATERAL (SELECT"
		" COALESCE((SELECT max(c.number) FROM chat.chats AS c WHERE c.application_id = a.id), 0) AS highest,"
		" (SELECT count(*) FROM chat.chats AS c WHERE c.application_id = a.id AND c.number > $3) AS rest) AS c"
		" WHERE a.id = $1 AND $2 = 0",
		INT4OID, INT4OID, INT4OID),
	.part = SAVED_PLAN(
		"SELECT count(*), max(c.number) AS last FROM (SELECT number FROM chat.chats"
		" WHERE application_id = $1 AND $2 = 0 AND number > $3 AND number <= $4 ORDER BY number LIMIT $5) AS c",
		INT4OID, INT4OID, INT4OID, INT4OID, INT8OID)
};

/* The parent that is counted. */
static struct
{
	bool		under_way;
	pg_uuid_t	mark;
	RecountItem first;			/* as it was read first */
	int32		highest;		/* through which number there are parts */
	int64		counted;		/* children in the parts so far */
	int32		through;		/* the last of them */
	int			part_size;
}			parts;

bool
recount_parts_are_under_way(void)
{
	return parts.under_way;
}

bool
recount_parts_are_of(ChatKey parent)
{
	return parts.under_way && chat_key_compare(parts.first.parent, parent) == 0;
}

static PartsStatements *
statements(ChatKey parent)
{
	return parent.chat != 0 ? &chats : &applications;
}

/*
 * Read a parent's counter, its highest number, and how many children are above a
 * number, in one snapshot. Returns false if there is no such parent.
 */
static bool
look(ChatKey parent, int32 above, RecountItem *item, int64 *rest)
{
	Datum		values[3] = {Int32GetDatum(parent.application), Int32GetDatum(parent.chat), Int32GetDatum(above)};

	if (spi_plan_read_fresh(&statements(parent)->look, values) == 0)
		return false;
	*rest = spi_result_int64(0, spi_column("rest"));
	*item = (RecountItem) {
		.parent = parent,
		.created_at = DatumGetTimestampTz(spi_result(0, spi_column("created_at"), TIMESTAMPTZOID, NULL)),
		.missing = spi_result_bool(0, spi_column("missing")),
		.count = spi_result_int32(0, spi_column("stored_count")),
		.last_number = spi_result_int32(0, spi_column("stored_highest")),
		.highest = spi_result_int32(0, spi_column("highest"))
	};
	return true;
}

/* Repair a counter, if it is wrong. */
static RecountResult
repair(RecountItem *item)
{
	RecountResult result = {.wrong = item};

	result.wrong_count = item->counted != item->count || item->highest > item->last_number;
	recount_repair(&result);
	return result;
}

/* Log a counter that was repaired; context is the JobRun. */
static void
log_repaired(const RepairedCount *repaired, void *context)
{
	repaired_counts_log(repaired, context);
}

/*
 * Begin to count a parent, unless another is under way. It is in the queue then;
 * it leaves when it has been counted. A highest number that is too low is repaired
 * at once, since the functions give numbers below that of a child then.
 */
void
recount_parts_begin(ChatKey parent, JobRun *run)
{
	RecountItem item = {.parent = parent};
	RecountResult result = {0};
	int64		rest;

	worker_xact_begin("queueing a chat that is counted in parts");
	if (parts.under_way)
		recount_queue_add_back(parent);
	else
	{
		pg_uuid_t	mark = recount_queue_mark(parent);
		bool		found = look(parent, PG_INT32_MAX, &item, &rest);

		if (!found)
			recount_queue_remove_mark(parent, mark);
		else
		{
			item.counted = item.count;
			result = repair(&item);
		}
		parts.first = item;
		parts.highest = Max(item.highest, item.last_number);
		parts.mark = mark;
		parts.counted = 0;
		parts.through = PG_INT32_MIN;
		parts.part_size = PART_FIRST;
		parts.under_way = found;
	}
	worker_xact_commit();
	recount_report(&result, log_repaired, run);
}

/* Count a part. Returns whether it was the last. */
static bool
count_part(int size)
{
	ChatKey		parent = parts.first.parent;
	Datum		values[5] = {
		Int32GetDatum(parent.application), Int32GetDatum(parent.chat), Int32GetDatum(parts.through),
		Int32GetDatum(parts.highest), Int64GetDatum(size)
	};
	int64		count;

	worker_xact_begin("counting a part of a chat");
	spi_plan_read_fresh(&statements(parent)->part, values);
	count = spi_result_int64(0, spi_column("count"));
	if (count > 0)
		parts.through = spi_result_int32(0, spi_column("last"));
	worker_xact_commit();
	parts.counted += count;
	return count < size;
}

/*
 * All parts are counted: compare with the counter as it is now, and repair it if
 * it is wrong.
 */
static void
finish(JobRun *run)
{
	ChatKey		parent = parts.first.parent;
	RecountItem item;
	RecountResult result = {0};
	int64		rest;

	parts.under_way = false;
	worker_xact_begin("repairing a chat that was counted in parts");
	recount_lock();
	if (!look(parent, parts.highest, &item, &rest))
		recount_queue_remove_mark(parent, parts.mark);
	else if (item.created_at == parts.first.created_at &&
			 (recount_queue_has_others(parent, parts.mark) || item.count == parts.first.count + rest))
	{
		item.counted = parts.counted + rest;
		result = repair(&item);
		recount_queue_remove_mark(parent, parts.mark);
	}
	worker_xact_commit();
	recount_report(&result, log_repaired, run);
	run->done++;
}

/*
 * Go on with the parent that is under way, for some time. After an error it is
 * not under way any more, but in the queue.
 */
void
recount_parts_go_on(long budget_ms, JobRun *run)
{
	bool		at_end = false;
	JobPacing	pacing = job_pacing_begin(1, parts.part_size, PART_MAX);

	while (!at_end && job_pacing_elapsed_ms(&pacing) < budget_ms)
	{
		CHECK_FOR_INTERRUPTS();
		job_pacing_begin_slice(&pacing);
		at_end = count_part(pacing.slice_size);
		job_pacing_end_slice(&pacing);
		parts.part_size = pacing.slice_size;
	}
	if (at_end)
		finish(run);
}

/* Leave the parent that is under way, after an error. Returns it; it is in the queue. */
ChatKey
recount_parts_give_up(void)
{
	parts.under_way = false;
	return parts.first.parent;
}
