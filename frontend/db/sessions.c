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
	return settings.writers + settings.readers + settings.searchers + 1 + settings.exports;
}

void
sessions_open(void)
{
	const int	sizes[POOL_EXPORT] = {settings.writers, settings.readers, settings.searchers, 1};

	session_count = sessions_wanted() - settings.exports;
	sessions = calloc(session_count, sizeof(Session));
	if (sessions == NULL)
	{
		log_event("out of memory");
		exit(1);
	}
	for (int pool = 0, i = 0; pool < POOL_EXPORT; pool++)
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

/*
 * Considers the usable sessions of a pool that have large operations in flight, or
 * those that have none. Sets count to their number, and returns the one with the fewest
 * operations in flight; NULL if none has fewer than depth.
 */
static Session *
find_session(Pool pool, bool large, int depth, int *count)
{
	Session    *best = NULL;

	*count = 0;
	for (int i = 0; i < session_count; i++)
	{
		Session    *session = &sessions[i];

		if (session->pool != pool || !session_is_usable(session) || (session->large > 0) != large)
			continue;
		++*count;
		if (session->in_flight < depth)
		{
			best = session;
			depth = session->in_flight;
		}
	}
	return best;
}

Session *
session_pick(Pool pool, int depth)
{
	int			count;
	Session    *session = find_session(pool, false, depth, &count);

	return count > 0 ? session : find_session(pool, true, depth, &count);
}

Session *
session_pick_large(Pool pool, int depth)
{
	int			carrying;
	int			others;
	Session    *session = find_session(pool, true, depth, &carrying);
	Session    *other = find_session(pool, false, depth, &others);

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
	session_probe(&sessions[random() % session_count]);
}
