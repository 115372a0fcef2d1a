/*
 * session.c
 *		Asynchronous connections to PostgreSQL.
 *
 * A session goes from DOWN to CONNECTING to PREPARING to READY, and from each of
 * them back to DOWN. A timer then starts it again, after a pause that grows with
 * each failure and is random in part, so that many chatd do not reconnect at the
 * same time. Connecting takes place in a thread (connector.c), which ends by itself
 * even if it takes minutes; the other states are ended at their deadlines.
 *
 * Statements are pipelined. A write has a synchronization point of its own, and
 * so is a transaction of its own; it is done when that point is reached, which is
 * after the commit. The reads that are sent in one iteration of the loop share a
 * point, which saves most of the system calls on both sides; each is done with
 * its result. If one of them fails, the server skips the rest up to the point,
 * and whoever sent those sends them again, alone.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "db/connector.h"
#include "db/preparation.h"
#include "db/result.h"
#include "db/session.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/settings.h"

#define CONNECT_TIMEOUT 5000	/* for connecting or preparing, ms */
#define ANSWER_GRACE 5000		/* beyond the statement timeout, ms */
#define PAUSE_FIRST 50			/* before the next attempt to connect, ms */
#define REPEAT_LOG 60000		/* before the same failure is logged again, ms */
#define PAUSE_LAST 2000

typedef enum SessionState
{
	DOWN,
	CONNECTING,
	PREPARING,
	READY
} SessionState;

struct Session
{
	SessionState state;
	Pool		pool;
	PGconn	   *connection;
	Watcher		watcher;
	Timer		retry;
	Connector	connector;
	uint64_t	since;			/* when it began to connect or to prepare */
	bool		overdue;		/* it has not connected in time, and still tries */
	int			pause;
	bool		tried;			/* to connect, with or without success */
	Operation  *first;			/* in flight, oldest first */
	Operation  *last;
	int			in_flight;
	int			large;			/* of those in flight, see session_pick_large() */
	PGresult   *result;			/* of the first in flight, until it is done */
	bool		unsynced;		/* something was sent since the last sync */
	bool		broken;			/* sending failed */
	bool		stale;			/* see result_is_stale() */
	int			backend;		/* process id of the one that it was prepared in */
};

static Session *sessions;
static int	session_count;
static char reason[128] = "not connected to the database yet";
static bool unfit;				/* the reason is about versions */

static void session_start(void *owner);

const char *
database_reason(void)
{
	return reason;
}

const char *
database_unavailable(void)
{
	static char text[sizeof(reason) + 64];

	if (!unfit)
		return "The database is not available.";
	snprintf(text, sizeof(text), "The database is not available: %s.", reason);
	return text;
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
 * Among the usable sessions of a pool, those with large operations in flight or those
 * without: counts them, and finds the one with the fewest operations in flight; NULL if
 * none has fewer than depth.
 */
static Session *
find_session(Pool pool, bool large, int depth, int *count)
{
	Session    *best = NULL;

	*count = 0;
	for (int i = 0; i < session_count; i++)
	{
		Session    *session = &sessions[i];

		if (session->pool != pool || session->state != READY ||
			session->broken || session->stale || (session->large > 0) != large)
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

/*
 * Logs why the database cannot be used; the same again at most once a minute, as
 * every session goes on trying for as long as it takes. what alone goes to /readyz.
 */
static void
set_reason(const char *what, const char *detail)
{
	static char logged[512];
	static uint64_t logged_at;
	char		line[512];

	snprintf(reason, sizeof(reason), "%s", what);
	unfit = false;

	snprintf(line, sizeof(line), "database: %s%s%s", what, detail ? ": " : "", detail ? detail : "");
	if (strcmp(line, logged) == 0 && loop_now() - logged_at < REPEAT_LOG)
		return;
	strcpy(logged, line);
	logged_at = loop_now();
	log_event("%s", line);
}

/*
 * Closes the connection, ends the operations in flight, and schedules the next
 * attempt. what and detail are as above.
 */
static void
session_down(Session *session, const char *what, const char *detail)
{
	Operation  *operation = session->first;

	set_reason(what, detail);

	loop_unwatch(&session->watcher);
	PQfinish(session->connection);
	session->connection = NULL;
	PQclear(session->result);
	session->result = NULL;
	session->state = DOWN;
	session->tried = true;
	session->unsynced = session->broken = session->stale = false;
	session->first = session->last = NULL;
	session->in_flight = session->large = 0;
	loop_arm(&session->retry, loop_now() + session->pause / 2 + random() % session->pause);
	session->pause = session->pause * 2 > PAUSE_LAST ? PAUSE_LAST : session->pause * 2;

	while (operation)
	{
		Operation  *next = operation->next;

		operation->done(operation, NULL);
		operation = next;
	}
}

static void
log_notice(void *unused, const char *message)
{
	(void) unused;
	log_event("database: %s", message);
}

/* Takes one result of the preparation. Returns false if that ended the session. */
static bool
session_take_preparation(Session *session, PGresult *result)
{
	bool		versions;
	const char *mismatch = preparation_check(result, &versions);

	if (mismatch)
	{
		const char *detail = PQresultErrorMessage(result);

		session_down(session, mismatch, *detail ? detail : NULL);
		unfit = versions;
		for (int i = 0; i < session_count && mismatch == preparation_pooled; i++)
			sessions[i].stale = sessions[i].state == READY;
		PQclear(result);
		return false;
	}
	if (preparation_backend(result))
		session->backend = preparation_backend(result);
	if (PQresultStatus(result) == PGRES_PIPELINE_SYNC)
	{
		session->state = READY;
		session->tried = true;
		session->pause = PAUSE_FIRST;
		log_event("database: connected");
	}
	PQclear(result);
	return true;
}

/* The question of probe_backend(), while it is in flight. */
static struct
{
	Operation	operation;
	Session    *session;
}			probe;

static void
on_probed(Operation *operation, const PGresult *result)
{
	bool		moved = PQresultStatus(result) == PGRES_TUPLES_OK && atoi(PQgetvalue(result, 0, 0)) != probe.session->backend;

	(void) operation;
	probe.session = NULL;
	for (int i = 0; i < session_count && moved; i++)
		sessions[i].stale = sessions[i].state == READY;
}

/* The first operation in flight is done. */
static void
session_finish_first(Session *session)
{
	Operation  *operation = session->first;
	PGresult   *result = session->result;

	session->first = operation->next;
	if (session->first == NULL)
		session->last = NULL;
	else
		session->first->started_at = loop_now();
	session->in_flight--;
	session->large -= operation->large;
	session->result = NULL;
	if (result_is_stale(result))
		session->stale = true;
	operation->done(operation, result);
	PQclear(result);
}

/* Takes the results that have arrived. */
static void
session_take_results(Session *session)
{
	while ((session->first || session->state == PREPARING) && !PQisBusy(session->connection))
	{
		PGresult   *result = PQgetResult(session->connection);

		if (result == NULL)		/* the end of one statement */
		{
			if (PQstatus(session->connection) == CONNECTION_BAD)
				return;
			if (session->result && session->pool != POOL_WRITE)
				session_finish_first(session);
			continue;
		}
		if (session->state == PREPARING)
		{
			if (!session_take_preparation(session, result))
				return;
		}
		else if (PQresultStatus(result) == PGRES_PIPELINE_SYNC)
		{
			PQclear(result);
			if (session->pool == POOL_WRITE)
				session_finish_first(session);
		}
		else
		{
			PQclear(session->result);
			session->result = result;
			if (PQstatus(session->connection) == CONNECTION_BAD)
				return;
		}
	}
}

static void
on_socket_ready(void *owner, uint32_t events)
{
	Session    *session = owner;

	if (events & ~EPOLLOUT)
	{
		bool		alive = PQconsumeInput(session->connection);

		session_take_results(session);
		if (session->state != DOWN &&
			(!alive || PQstatus(session->connection) == CONNECTION_BAD))
			session_down(session, "the connection was lost", PQerrorMessage(session->connection));
	}
}

/* An attempt to connect has ended. */
static void
on_connected(void *owner, PGconn *connection)
{
	Session    *session = owner;

	session->connection = connection;
	if (PQstatus(connection) != CONNECTION_OK)
	{
		session_down(session, "cannot connect", PQerrorMessage(connection));
		return;
	}
	PQsetNoticeProcessor(connection, log_notice, NULL);
	loop_watch(&session->watcher, PQsocket(connection), EPOLLIN);
	session->state = PREPARING;
	session->since = loop_now();
	if (!preparation_send(connection, session->pool == POOL_WRITE))
		session->broken = true;
}

static void
session_start(void *owner)
{
	Session    *session = owner;

	session->state = CONNECTING;
	session->since = loop_now();
	session->overdue = false;
	if (!connector_start(&session->connector))
		session_down(session, "cannot connect", strerror(errno));
}

void
sessions_open(void)
{
	const int	sizes[POOL_COUNT] = {settings.writers, settings.readers, settings.searchers};

	session_count = settings.writers + settings.readers + settings.searchers;
	sessions = calloc(session_count, sizeof(Session));
	if (sessions == NULL)
	{
		log_event("out of memory");
		exit(1);
	}
	for (int pool = 0, i = 0; pool < POOL_COUNT; pool++)
	{
		for (int n = 0; n < sizes[pool]; n++, i++)
		{
			Session    *session = &sessions[i];

			session->pool = pool;
			session->pause = PAUSE_FIRST;
			session->watcher = (Watcher) {.fd = -1, .ready = on_socket_ready, .owner = session};
			session->connector = (Connector) {.done = on_connected, .owner = session};
			session->retry = (Timer) {.fire = session_start, .owner = session};
			session_start(session);
		}
	}
}

static void
session_sync(Session *session)
{
	if (session->unsynced && !PQpipelineSync(session->connection))
		session->broken = true;
	session->unsynced = false;
}

void
session_send(Session *session, Operation *operation, StatementId statement,
			 const Parameters *parameters)
{
	bool		alone = operation->alone || session->pool == POOL_WRITE;

	operation->next = NULL;
	operation->started_at = loop_now();
	if (alone)
		session_sync(session);
	if (session->last)
		session->last->next = operation;
	else
		session->first = operation;
	session->last = operation;
	session->in_flight++;
	session->large += operation->large;
	if (!PQsendQueryPrepared(session->connection, statements[statement].name, parameters->count,
							 parameters->values, parameters->lengths, parameters->formats,
							 parameters->result_format))
		session->broken = true;
	session->unsynced = true;
	if (alone)
		session_sync(session);
}

void
sessions_flush(void)
{
	for (int i = 0; i < session_count; i++)
	{
		Session    *session = &sessions[i];
		int			unsent;

		if (session->state < PREPARING)
			continue;
		session_sync(session);
		unsent = PQflush(session->connection);
		if (session->broken || unsent < 0)
			session_down(session, "the connection was lost", PQerrorMessage(session->connection));
		else if (session->stale && session->first == NULL)
			session_down(session, "the database has changed, connecting again", NULL);
		else
			loop_watch(&session->watcher, PQsocket(session->connection),
					   unsent ? EPOLLIN | EPOLLOUT : EPOLLIN);
	}
}

/*
 * Asks a session that is behind a pooler, which all are then, whether it still has the
 * backend that it was prepared in. If not, the pooler is in transaction mode: all are
 * prepared again, and find the marks of others.
 */
static void
probe_backend(void)
{
	static const Parameters none = {0};
	Session    *session = &sessions[random() % session_count];

	if (probe.session || session->state != READY || session->backend == PQbackendPID(session->connection))
		return;
	probe.operation = (Operation) {.done = on_probed, .alone = true};
	probe.session = session;
	session_send(session, &probe.operation, GET_BACKEND, &none);
}

void
sessions_tick(void)
{
	uint64_t	limit = (uint64_t) settings.statement_timeout * 1000 + ANSWER_GRACE;

	for (int i = 0; i < session_count; i++)
	{
		Session    *session = &sessions[i];

		bool		late = loop_now() - session->since > CONNECT_TIMEOUT;

		if (session->state == CONNECTING && late && !session->overdue)
		{
			session->overdue = session->tried = true;
			set_reason("cannot connect in time", NULL);
		}
		else if (session->state == PREPARING && late)
			session_down(session, "cannot prepare the statements in time", NULL);
		else if (session->first && loop_now() - session->first->started_at > limit)
			session_down(session, "the database does not answer", NULL);
	}
	probe_backend();
}

void
sessions_close(void)
{
	for (int i = 0; i < session_count; i++)
	{
		Session    *session = &sessions[i];

		/* One that is connecting has nothing in flight, and its thread ends with the process. */
		if (session->state >= PREPARING)
			session_down(session, "closed", NULL);
		loop_arm(&session->retry, 0);
	}
}
