/*
 * counting.c
 *	  The worker's duties about counts.
 *
 * reconcile counts what the queue chat.changed_chats names, each
 * pg_chat.reconcile_interval. The scrubs walk over everything in key order, a
 * part each time, such that they come round in pg_chat.scrub_interval; they
 * find what nobody queued. They go through everything at once, in a hurry,
 * after a change that the queue describes as "everything".
 */
#include "postgres.h"

#include <math.h>

#include "access/xact.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "counting.h"
#include "plan.h"
#include "reconcile.h"
#include "settings.h"
#include "worker.h"

/* Parents that a scrub looks at in each pass, at least. */
#define SCRUB_MINIMUM 1000

/* Parents whose counting failed, and was logged: not to be logged again. */
static ChangedChat failed[64];
static int	failed_count = 0;

static bool
is_same(ChangedChat a, ChangedChat b)
{
	return a.application == b.application && a.chat == b.chat;
}

static bool
was_logged(ChangedChat parent)
{
	for (int i = 0; i < failed_count; i++)
		if (is_same(failed[i], parent))
			return true;
	if (failed_count == lengthof(failed))
		failed_count = 0;
	failed[failed_count++] = parent;
	return false;
}

/* Take out of the queue and count, in one transaction. */
static void
reconcile_slice(const ChangedChat *parents, int count, Pass *pass)
{
	Reconciled	result = {0};

	worker_begin("counting chats that were changed directly");
	reconcile_lock();
	reconcile_dequeue(parents, count);
	for (int i = 0; i < count; i++)
	{
		if (parents[i].application != 0)
			continue;
		duty_set_position("scrub chats", (ChangedChat) {0, 0}, true);
		duty_set_position("scrub applications", (ChangedChat) {0, 0}, true);
	}
	reconcile_parents(parents, count, &result, duty_report_mended, pass);
	worker_commit();
	pass->done += result.examined;
}

/*
 * The same for a parent of a slice that failed, so that it does not stop the
 * others. One that fails stays in the queue.
 */
static void
reconcile_alone(ChangedChat parent, Pass *pass)
{
	MemoryContext context = CurrentMemoryContext;

	PG_TRY();
	{
		reconcile_slice(&parent, 1, pass);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		HOLD_INTERRUPTS();
		if (!was_logged(parent))
		{
			EmitErrorReport();
			ereport(LOG, (errmsg("pg_chat could not count chat %d of application %d; it goes on with the others",
								 parent.chat, parent.application)));
		}
		FlushErrorState();
		AbortOutOfAnyTransaction();
		RESUME_INTERRUPTS();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
}

static int
next_slice(ChangedChat *parents, ChangedChat after)
{
	int			count;

	worker_begin("looking for chats that were changed directly");
	count = reconcile_queued(parents, RECONCILE_SLICE, after);
	worker_commit();
	return count;
}

/* Keep the newest entries of chat.mended_counts. */
static void
trim_mended(void)
{
	static SavedPlan plan = SAVED_PLAN(
		"DELETE FROM chat.mended_counts WHERE mended_at OPERATOR(pg_catalog.<)"
		" (SELECT mended_at FROM chat.mended_counts ORDER BY mended_at DESC OFFSET $1 LIMIT 1)",
		INT8OID);
	Datum		kept = Int64GetDatum(10000);

	worker_begin("trimming the list of what was mended");
	plan_modify(&plan, &kept, NULL);
	worker_commit();
}

/*
 * Duty: count what the queue names.
 */
long
counting_reconcile(Pass *pass)
{
	ChangedChat parents[RECONCILE_SLICE];
	ChangedChat after = {-1, 0};
	int			count;
	MemoryContext context = CurrentMemoryContext;

	do
	{
		volatile bool whole = true;

		CHECK_FOR_INTERRUPTS();
		count = next_slice(parents, after);
		if (count == 0)
			break;
		PG_TRY();
		{
			reconcile_slice(parents, count, pass);
		}
		PG_CATCH();
		{
			MemoryContextSwitchTo(context);
			HOLD_INTERRUPTS();
			FlushErrorState();
			AbortOutOfAnyTransaction();
			RESUME_INTERRUPTS();
			whole = false;
		}
		PG_END_TRY();
		MemoryContextSwitchTo(context);
		if (!whole)
			for (int i = 0; i < count; i++)
				reconcile_alone(parents[i], pass);
		after = parents[count - 1];
	} while (count == RECONCILE_SLICE);

	if (pass->mended > 0)
		trim_mended();
	return settings_reconcile_interval * 1000L;
}

/* How many parents a pass must look at, to come round in the scrub interval. */
static uint64
scrub_share(const char *table)
{
	double		rows = 0;
	double		share;

	if (SPI_execute(psprintf("SELECT reltuples::pg_catalog.int4 FROM pg_catalog.pg_class"
							 " WHERE oid OPERATOR(pg_catalog.=) '%s'::pg_catalog.regclass", table),
					true, 1) == SPI_OK_SELECT && SPI_processed == 1)
		rows = plan_result_int32(0, 1);
	share = ceil(rows * settings_reconcile_interval / settings_scrub_interval);
	return Max(share, SCRUB_MINIMUM);
}

/* One of the two scrubs. Moves *position and returns whether all is done. */
typedef bool (*ScrubStep) (ChangedChat *position, Reconciled *result, Pass *pass);

static bool
scrub_chats_step(ChangedChat *position, Reconciled *result, Pass *pass)
{
	return reconcile_chats_after(position, PG_INT32_MAX, RECONCILE_SLICE, result,
								 duty_report_mended, pass);
}

static bool
scrub_applications_step(ChangedChat *position, Reconciled *result, Pass *pass)
{
	return reconcile_applications_after(&position->application, PG_INT32_MAX, RECONCILE_SLICE,
										result, duty_report_mended, pass);
}

static long
scrub(const char *duty, const char *table, ScrubStep step, Pass *pass)
{
	uint64		share = 0;
	bool		hurry;
	bool		at_end;

	do
	{
		Reconciled	result = {0};
		ChangedChat position;

		CHECK_FOR_INTERRUPTS();
		worker_begin("counting chats in turn");
		reconcile_lock();
		if (share == 0)
			share = scrub_share(table);
		position = duty_position(duty, &hurry);
		at_end = step(&position, &result, pass);
		if (at_end)
			position = (ChangedChat) {0, 0};
		duty_set_position(duty, position, hurry && !at_end);
		worker_commit();
		pass->done += result.examined;
	} while (!at_end && (hurry || pass->done < share));

	return settings_reconcile_interval * 1000L;
}

/* Duty: count the messages of chats in turn. */
long
counting_scrub_chats(Pass *pass)
{
	return scrub("scrub chats", "chat.chats", scrub_chats_step, pass);
}

/* Duty: count the chats of applications in turn. */
long
counting_scrub_applications(Pass *pass)
{
	return scrub("scrub applications", "chat.applications", scrub_applications_step, pass);
}
