/*
 * change_wait.c
 *	  Waiting for changes: chat.wait_for_changes().
 *
 * It is a procedure, because it waits without a snapshot: a snapshot would
 * keep vacuum and pruning from removing replaced rows, and so slow down the
 * counters of busy chats. So it must be called outside of any transaction
 * block.
 *
 * If there is a log of changes (change_log.c), a waiter is woken right after
 * the commit of a change. Otherwise, without the library preloaded or on a
 * standby, it polls the position of WAL: if that has moved, any chat may have
 * changed. The two kinds of positions differ in their sign.
 *
 * A call costs more than a change. Therefore a session that calls often
 * returns 100 times a second on average, each time with all changes since; a
 * short burst of calls is not delayed.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "storage/proc.h"
#include "utils/timestamp.h"

#include "changes/change_log.h"
#include "common/compat.h"
#include "common/latch_wait.h"
#include "common/sql_signature.h"

PG_FUNCTION_INFO_V1(chat_wait_for_changes);

/* The longest timeout. */
#define TIMEOUT_MAX_MS (60 * 60 * 1000)

/* Interval of polling the position of WAL. */
#define POLL_MS 10

/* The average time between returns with changes, and the burst that is allowed. */
#define PACE_MS 10
#define PACE_AHEAD_MS 300

/*
 * End the transaction, and with it the snapshot of the CALL, as COMMIT in a
 * procedure does; there is none afterwards. Raises 25001 where a procedure may
 * not do that.
 */
static void
leave_snapshot(FunctionCallInfo fcinfo)
{
	CallContext *context = (CallContext *) fcinfo->context;

	if (context == NULL || !IsA(context, CallContext) || context->atomic)
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("wait_for_changes cannot be called in a transaction block or a function"),
				 errhint("Call it by itself, in a session that commits each statement (autocommit).")));
	SPI_connect_ext(SPI_OPT_NONATOMIC);
	SPI_commit();
	SPI_finish();
	Assert(!TransactionIdIsValid(MyProc->xmin));
}

/* Returns the position of WAL, as a negative number. */
static int64
wal_position(void)
{
	if (RecoveryInProgress())
		return -(int64) GetXLogReplayRecPtr(NULL);

	/*
	 * A transaction becomes visible after its commit was written or, if it waits for that,
	 * flushed.
	 */
	return -(int64) (GetXLogInsertRecPtr() + compat_flush_position());
}

/* Wait until WAL has moved on from a position. Returns whether it has. */
static bool
wait_for_wal(int64 position, long timeout_ms)
{
	TimestampTz deadline = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), timeout_ms);

	while (wal_position() == position)
	{
		long		wait_ms = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), deadline);

		if (wait_ms <= 0)
			return false;
		latch_wait("ChatChanges", 0, PGINVALID_SOCKET, Min(wait_ms, POLL_MS));
	}
	return true;
}

/*
 * Wait until the next return with changes is due. If WAL is polled, wait also
 * until the transactions with the commits found there are visible.
 */
static void
keep_pace(bool log)
{
	static TimestampTz due = 0;
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz until = log ? TimestampTzPlusMilliseconds(due, -PACE_AHEAD_MS) : TimestampTzPlusMilliseconds(now, POLL_MS);

	while (now < until)
	{
		latch_wait("ChatChanges", 0, PGINVALID_SOCKET, TimestampDifferenceMilliseconds(now, until) + 1);
		now = GetCurrentTimestamp();
	}
	due = TimestampTzPlusMilliseconds(Max(due, now), PACE_MS);
}

/* Wait for changes, or for the timeout. Returns the changes. */
static ChangesSince
wait_for_changes(bool from_now, int64 *position, long timeout_ms)
{
	ChangesSince result = {0};
	bool		log = !RecoveryInProgress() && change_log_join();

	if (log)
	{
		if (from_now || change_log_wait(*position, timeout_ms))
		{
			keep_pace(true);
			result = change_log_read(from_now ? 0 : *position);
			*position = result.position;
		}
	}
	else if (from_now || wait_for_wal(*position, timeout_ms))
	{
		result.all = true;
		*position = wal_position();
		keep_pace(false);
	}
	return result;
}

/* Sort the chats, and remove duplicates. */
static void
make_distinct(ChangesSince *changes)
{
	int			count = 0;

	qsort(changes->chats, changes->count, sizeof(ChatKey), chat_key_order);
	for (int i = 0; i < changes->count; i++)
		if (count == 0 || chat_key_compare(changes->chats[i], changes->chats[count - 1]) != 0)
			changes->chats[count++] = changes->chats[i];
	changes->count = count;
}

/*
 * chat.wait_for_changes(inout position bigint, timeout integer, inout
 * applications integer[], inout chats integer[], inout everything boolean)
 */
Datum
chat_wait_for_changes(PG_FUNCTION_ARGS)
{
	static SqlSignature signature = {
		.procedure = true,
		SQL_ARGS(INT8OID, INT4OID, INT4ARRAYOID, INT4ARRAYOID, BOOLOID),
		SQL_RETURNS_ROW(INT8OID, INT4ARRAYOID, INT4ARRAYOID, BOOLOID)
	};
	int64		position;
	int32		timeout_ms;
	ChangesSince changes;
	Datum		values[4];
	bool		nulls[4] = {false};

	sql_signature_check(fcinfo, &signature, InvalidOid);
	position = PG_ARGISNULL(0) ? 0 : PG_GETARG_INT64(0);
	timeout_ms = PG_ARGISNULL(1) ? -1 : PG_GETARG_INT32(1);
	if (timeout_ms < 0 || timeout_ms > TIMEOUT_MAX_MS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("timeout must be from 0 to %d milliseconds", TIMEOUT_MAX_MS),
				 err_generic_string(PG_DIAG_COLUMN_NAME, "timeout")));
	leave_snapshot(fcinfo);

	changes = wait_for_changes(PG_ARGISNULL(0), &position, timeout_ms);

	values[0] = Int64GetDatum(position);
	nulls[1] = nulls[2] = changes.all;
	if (!changes.all)
	{
		make_distinct(&changes);
		chat_keys_to_arrays(changes.chats, changes.count, &values[1]);
	}
	values[3] = BoolGetDatum(changes.all);
	return HeapTupleGetDatum(heap_form_tuple(sql_signature_row(fcinfo, &signature), values, nulls));
}
