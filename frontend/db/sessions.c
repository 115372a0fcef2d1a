/*
 * sessions.c
 *		The sessions of a loop that are there all the time, by their pools.
 */
#include <stdlib.h>

#include "db/sessions.h"
#include "common/log.h"
#include "common/settings.h"

static Session *sessions;
static int	session_count;

int
sessions_wanted(void)
{
	int			reading = settings.readers + settings.searchers + 1;

	return settings.writers + reading * (settings.database_read ? 2 : 1) + settings.exports;
}

void
sessions_open(void)
{
	const int	sizes[POOL_EXPORT] = {
		settings.writers, settings.readers, settings.searchers, 1, settings.readers, settings.searchers, 1
	};

	session_count = sessions_wanted() - settings.exports;
	sessions = calloc(session_count, sizeof(Session));
	if (sessions == NULL)
	{
		log_event("out of memory");
		exit(1);
	}
	for (int pool = 0, i = 0; i < session_count; pool++)
		for (int n = 0; n < sizes[pool]; n++, i++)
			session_open(&sessions[i], pool);
}

void
sessions_close(void)
{
	for (int i = 0; i < session_count; i++)
		session_close(&sessions[i]);
}

bool
database_tried(void)
{
	for (int i = 0; i < session_count; i++)
		if (!sessions[i].tried)
			return false;
	return true;
}

bool
database_ready(Pool pool)
{
	for (int i = 0; i < session_count; i++)
		if (sessions[i].pool == pool && sessions[i].state == READY)
			return true;
	return false;
}

Pool
pool_for(StatementId statement, Pool pool)
{
	ServerKind	kind = statements[statement].server;

	if (settings.database_read == NULL || kind == PRIMARY_ONLY || (kind == PRIMARY_FIRST && database_ready(pool)))
		return pool;
	for (Pool standby = POOL_STANDBY_READ; POOL_IS_STANDBY(standby); standby++)
		if (!database_ready(standby))
			return pool;
	return POOL_AT_STANDBY(pool);
}

uint64_t
pool_replayed(Pool pool)
{
	uint64_t	replayed = 0;

	if (!POOL_IS_STANDBY(pool))
		return UINT64_MAX;
	for (int i = 0; i < session_count; i++)
		if (sessions[i].pool == pool && session_is_usable(&sessions[i]) && sessions[i].replayed > replayed)
			replayed = sessions[i].replayed;
	return replayed;
}

void
standby_sessions(void (*call) (Session *session))
{
	for (int i = 0; i < session_count; i++)
		if (POOL_IS_STANDBY(sessions[i].pool) && session_is_usable(&sessions[i]))
			call(&sessions[i]);
}

/*
 * Considers the usable sessions of a pool that have large operations in flight, or
 * those that have none, and whose servers have replayed an LSN. Sets count to their number, and
 * returns the one with the fewest operations in flight; NULL if none has fewer than depth.
 */
static Session *
find_session(Pool pool, uint64_t lsn, bool large, int depth, int *count)
{
	Session    *best = NULL;

	*count = 0;
	for (int i = 0; i < session_count; i++)
	{
		Session    *session = &sessions[i];
		int			in_flight;

		if (session->pool != pool || !session_is_usable(session) || (session->large > 0) != large)
			continue;
		if (POOL_IS_STANDBY(pool) && session->replayed < lsn)
			continue;
		++*count;

		/*
		 * Asking how far the server has replayed takes no time, and is not to keep a search
		 * waiting.
		 */
		in_flight = session->in_flight - session->asked;
		if (in_flight < depth)
		{
			best = session;
			depth = in_flight;
		}
	}
	return best;
}

Session *
session_pick(Pool pool, uint64_t lsn, int depth)
{
	int			count;
	Session    *session = find_session(pool, lsn, false, depth, &count);

	return count > 0 ? session : find_session(pool, lsn, true, depth, &count);
}

Session *
session_pick_large(Pool pool, uint64_t lsn, int depth)
{
	int			carrying;
	int			others;
	Session    *session = find_session(pool, lsn, true, depth, &carrying);
	Session    *other = find_session(pool, lsn, false, depth, &others);

	if (session == NULL && carrying < (carrying + others + 1) / 2)
		session = other;
	return session;
}

void
sessions_flush(void)
{
	for (int i = 0; i < session_count; i++)
		session_flush(&sessions[i]);
}

void
sessions_tick(void)
{
	for (int i = 0; i < session_count; i++)
		session_tick(&sessions[i]);
	if (database_ready(POOL_READ))
		standby_sessions(session_leave_promoted);
	session_probe(&sessions[random() % session_count]);
}
