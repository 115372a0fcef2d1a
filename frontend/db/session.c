/*
 * session.c
 *		Asynchronous connections to PostgreSQL.
 *
 * A session goes from DOWN to CONNECTING to PREPARING to READY, and from each of
 * them back to DOWN. A timer then starts it again, after a pause that grows with
 * each failure and is random in part, so that many chatd do not reconnect at the
 * same time.
 *
 * Statements are pipelined. A write has a synchronization point of its own, and
 * so is a transaction of its own; it is done when that point is reached, which is
 * after the commit. The reads that are sent in one iteration of the loop share a
 * point, which saves most of the system calls on both sides; each is done with
 * its result. If one of them fails, the server skips the rest up to the point,
 * and whoever sent those sends them again, alone.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "db/preparation.h"
#include "db/session.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/settings.h"

#define CONNECT_TIMEOUT 5000	/* for connecting and preparing, ms */
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
	uint64_t	connecting_since;
	int			pause;
	bool		tried;			/* to connect, with or without success */
	Operation  *first;			/* in flight, oldest first */
	Operation  *last;
	int			in_flight;
	PGresult   *result;			/* of the first in flight, until it is done */
	bool		unsynced;		/* something was sent since the last sync */
	bool		broken;			/* sending failed */
	bool		stale;			/* see result_is_stale() */
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

Session *
session_pick(Pool pool, int depth)
{
	Session    *best = NULL;

	for (int i = 0; i < session_count; i++)
	{
		Session    *session = &sessions[i];

		if (session->pool == pool && session->state == READY &&
			!session->broken && !session->stale && session->in_flight < depth)
		{
			best = session;
			depth = session->in_flight;
		}
	}
	return best;
}

/*
 * Logs why a session went down; the same again at most once a minute, as every
 * session goes on trying for as long as it takes.
 */
static void
log_down(const char *what, const char *detail)
{
	static char logged[512];
	static uint64_t logged_at;
	char		line[512];

	snprintf(line, sizeof(line), "database: %s%s%s", what, detail ? ": " : "", detail ? detail : "");
	if (strcmp(line, logged) == 0 && loop_now() - logged_at < REPEAT_LOG)
		return;
	strcpy(logged, line);
	logged_at = loop_now();
	log_event("%s", line);
}

/*
 * Closes the connection, ends the operations in flight, and schedules the next
 * attempt. what and detail go to the log, what alone to /readyz.
 */
static void
session_down(Session *session, const char *what, const char *detail)
{
	Operation  *operation = session->first;

	log_down(what, detail);
	snprintf(reason, sizeof(reason), "%s", what);
	unfit = false;

	loop_unwatch(&session->watcher);
	PQfinish(session->connection);
	session->connection = NULL;
	PQclear(session->result);
	session->result = NULL;
	session->state = DOWN;
	session->tried = true;
	session->unsynced = session->broken = session->stale = false;
	session->first = session->last = NULL;
	session->in_flight = 0;
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
		PQclear(result);
		return false;
	}
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

bool
result_is_stale(const PGresult *result)
{
	const char *state = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;

	if (state == NULL)
		return false;
	if (strcmp(state, "25006") == 0 || result_is_version_error(result))
		return true;
	/* With a context, it is an error inside a function that the statement called. */
	return PQresultErrorField(result, PG_DIAG_CONTEXT) == NULL &&
		(strncmp(state, "42", 2) == 0 || strcmp(state, "0A000") == 0 || strcmp(state, "26000") == 0);
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
session_connect_further(Session *session)
{
	PostgresPollingStatusType status = PQconnectPoll(session->connection);

	/* libpq may have closed its socket and opened another with the same number. */
	loop_unwatch(&session->watcher);
	switch (status)
	{
		case PGRES_POLLING_READING:
			loop_watch(&session->watcher, PQsocket(session->connection), EPOLLIN);
			break;
		case PGRES_POLLING_WRITING:
			loop_watch(&session->watcher, PQsocket(session->connection), EPOLLOUT);
			break;
		case PGRES_POLLING_OK:
			loop_watch(&session->watcher, PQsocket(session->connection), EPOLLIN);
			session->state = PREPARING;
			if (!preparation_send(session->connection, session->pool == POOL_WRITE))
				session->broken = true;
			break;
		default:
			session_down(session, "cannot connect", PQerrorMessage(session->connection));
			break;
	}
}

static void
on_socket_ready(void *owner, uint32_t events)
{
	Session    *session = owner;

	if (session->state == CONNECTING)
	{
		session_connect_further(session);
		return;
	}
	if (events & ~EPOLLOUT)
	{
		bool		alive = PQconsumeInput(session->connection);

		session_take_results(session);
		if (session->state != DOWN &&
			(!alive || PQstatus(session->connection) == CONNECTION_BAD))
			session_down(session, "the connection was lost", PQerrorMessage(session->connection));
	}
}

static void
session_start(void *owner)
{
	Session    *session = owner;

	/* dbname overrides the keywords before it, and those after it override dbname. */
	static const char *const keywords[] = {
		"tcp_user_timeout", "keepalives_idle", "keepalives_interval",
		"fallback_application_name", "dbname", "client_encoding", NULL
	};
	const char *const values[] = {
		"10000", "10", "5", "chatd", settings.database, "UTF8", NULL
	};

	session->state = CONNECTING;
	session->connecting_since = loop_now();
	session->connection = PQconnectStartParams(keywords, values, 1);
	if (session->connection == NULL || PQstatus(session->connection) == CONNECTION_BAD)
	{
		session_down(session, "cannot connect", PQerrorMessage(session->connection));
		return;
	}
	PQsetNoticeProcessor(session->connection, log_notice, NULL);
	loop_watch(&session->watcher, PQsocket(session->connection), EPOLLOUT);
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

void
sessions_tick(void)
{
	uint64_t	limit = (uint64_t) settings.statement_timeout * 1000 + ANSWER_GRACE;

	for (int i = 0; i < session_count; i++)
	{
		Session    *session = &sessions[i];

		if ((session->state == CONNECTING || session->state == PREPARING) &&
			loop_now() - session->connecting_since > CONNECT_TIMEOUT)
			session_down(session, "cannot connect in time", NULL);
		else if (session->first && loop_now() - session->first->started_at > limit)
			session_down(session, "the database does not answer", NULL);
	}
}

void
sessions_close(void)
{
	for (int i = 0; i < session_count; i++)
	{
		Session    *session = &sessions[i];

		if (session->state != DOWN)
			session_down(session, "closed", NULL);
		loop_arm(&session->retry, 0);
	}
}
