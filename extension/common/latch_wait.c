/*
 * latch_wait.c
 *	  Waiting, in a worker or any other process of PostgreSQL.
 *
 * All waiting is done here, so that every wait can be interrupted.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/wait_event.h"

#include "common/compat.h"
#include "common/latch_wait.h"

/*
 * Wait for events of a socket, or none, if it is PGINVALID_SOCKET, for at most
 * timeout_ms. pg_stat_activity shows what as the wait event, from PostgreSQL 17
 * on. Returns whether one of the events occurred; the process's latch ends the
 * wait, too. Serves interrupts.
 */
bool
latch_wait(const char *what, uint32 events, pgsocket socket, long timeout_ms)
{
	int			result;

	events |= WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH;
	result = WaitLatchOrSocket(MyLatch, events, socket, timeout_ms, compat_wait_event(what));
	if (result & WL_LATCH_SET)
		ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
	return (result & WL_SOCKET_MASK) != 0;
}
