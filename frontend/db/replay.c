/*
 * replay.c
 *		Reads that wait until a standby has replayed what their client has written.
 *
 * While any waits, the sessions at standbys are asked how far these have replayed, by a statement
 * that takes no time, and again after a pause that grows. No session is held meanwhile. What a
 * session has answered is kept, so that a later read of an LSN before that does not wait. They are
 * asked once a second in any case, so that those without work learn that their standby is gone or
 * promoted.
 */
#include <stddef.h>

#include "common/loop.h"
#include "db/lsn.h"
#include "db/replay.h"
#include "db/sessions.h"
#include "metrics/figures.h"

#define REPLAY_TIMEOUT 1000		/* then the primary answers, ms */
#define PAUSE_FIRST 1			/* before sessions are asked again, ms */
#define PAUSE_LAST 32

static QueryQueue waiting;
static int	pause_now;
static bool due;				/* some may have waited for long enough */

static void on_timer(void *unused);
static Timer timer = {.fire = on_timer};

static void
on_answer(Operation *operation, const PGresult *result)
{
	Session    *session = (Session *) ((char *) operation - offsetof(Session, asking));
	uint64_t	lsn = lsn_of(result);

	session->asked = false;
	if (lsn > session->replayed)
	{
		session->promoted = session->replayed > 0 && lsn == UINT64_MAX;
		session->replayed = lsn;
	}
	due = true;
}

static void
ask(Session *session)
{
	static const Parameters none = {0};

	if (session->asked)
		return;
	session->asked = true;
	session->asking = (Operation) {.done = on_answer, .alone = true};
	session_send(session, &session->asking, GET_REPLAYED_LSN, &none);
}

static void
ask_all(void)
{
	standby_sessions(ask);
	loop_arm(&timer, loop_now() + pause_now);
	pause_now = pause_now * 2 > PAUSE_LAST ? PAUSE_LAST : pause_now * 2;
}

static void
on_timer(void *unused)
{
	(void) unused;
	due = true;
	if (waiting.count > 0)
		ask_all();
}

void
replay_wait(Query *query)
{
	if (query->replay_due == 0)
		query->replay_due = loop_now() + REPLAY_TIMEOUT;
	query_begin_wait(query);
	query_push(&waiting, query);
	pause_now = PAUSE_FIRST;
	ask_all();
}

int
replay_count(void)
{
	return waiting.count;
}

void
replay_tick(void)
{
	standby_sessions(ask);
}

void
replay_run(void (*submit) (Query *query))
{
	if (!due && database_ready(POOL_STANDBY_READ))
		return;
	due = false;
	for (int count = waiting.count; count > 0; count--)
	{
		Query	   *query = query_pop(&waiting);
		bool		late = loop_now() >= query->replay_due;

		if (!late && database_ready(query->pool) && pool_replayed(query->pool) < query->lsn)
		{
			query_push(&waiting, query);
			continue;
		}
		query_end_wait(query);
		query->from_primary = late;
		figures->fallbacks[STANDBY_BEHIND] += late;
		submit(query);
	}
	figures->queued[QUEUE_OF_REPLAY] = waiting.count;
}
