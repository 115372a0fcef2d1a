/*
 * replay.c
 *	  Acknowledging again what another transaction committed.
 *
 * A replay, of what was created with the same key before, says that the first
 * one is committed, as durably as if it were its own. That need not be so: with
 * synchronous replication, who is cancelled while waiting for a standby has
 * committed here, and not there; and with synchronous_commit off a commit is
 * seen before it is on disk. A transaction that writes nothing waits for neither.
 * So one that replays writes an empty message into WAL: its commit waits as that
 * of any other does, and WAL is flushed and confirmed in order.
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"

#include "common/compat.h"
#include "core/replay.h"

/* This transaction replays: its commit is to wait as if it had written. */
void
replay_note(void)
{
	if (!TransactionIdIsValid(GetTopTransactionIdIfAny()) || XactLastRecEnd == InvalidXLogRecPtr)
		compat_log_message("pg_chat");
}
