/*
 * database.c
 *		Asynchronous connections to PostgreSQL.
 *
 * A session goes from DOWN to CONNECTING to PREPARING to READY, and back to
 * DOWN from anywhere; a timer then starts it again after a pause that grows
 * from failure to failure and is spread at random, so that many chatd do not
 * come back at the same moment.
 *
 * Statements are pipelined. A write has a synchronisation point of its own, so
 * that it is its own transaction; it is done when that point is reached, which
 * is after the commit. Reads that are sent in one turn of the loop share one,
 * which spares both sides most of their system calls; each is done with its
 * result. When one of them fails the server skips the rest up to that point,
 * and these are sent once more, now each with its own.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "database.h"
#include "log.h"
#include "loop.h"
#include "settings.h"

#define CONNECT_TIMEOUT 5000	/* for connecting and preparing, ms */
#define ANSWER_GRACE 5000		/* beyond the statement timeout, ms */
#define WRITE_LOCK_TIMEOUT "200ms"	/* others' writes wait for the same session */
#define PAUSE_FIRST 50			/* before the next attempt, ms */
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
	Lane		lane;
	PGconn	   *connection;
	Watcher		watcher;
	Timer		retry;
	uint64_t	started_at;		/* of connecting */
	int			pause;
	Operation  *first;			/* in flight, oldest first */
	Operation  *last;
	int			in_flight;
	PGresult   *result;			/* of the first in flight, until its end */
	bool		unsynced;		/* something was sent since the last sync */
	bool		broken;			/* sending failed */
	bool		stale;			/* the server is not what it was at the start */
};

static Session *sessions;
static int	session_count;
static char reason[128] = "not connected to the database yet";

static void session_start(void *owner);

const char *
database_reason(void)
{
	return reason;
}

bool
database_ready(Lane lane)
{
	for (int i = 0; i < session_count; i++)
		if (sessions[i].lane == lane && sessions[i].state == READY)
			return true;
	return false;
}

Session *
database_session(Lane lane, int depth)
{
	Session    *best = NULL;

	for (int i = 0; i < session_count; i++)
	{
		Session    *session = &sessions[i];

		if (session->lane == lane && session->state == READY &&
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
 * Closes the connection, tells all that was in flight, and plans the next
 * attempt. The words go to the log and, short, to readyz.
 */
static void
session_down(Session *session, const char *what, const char *detail)
{
	Operation  *operation = session->first;

	log_down(what, detail);
	snprintf(reason, sizeof(reason), "%s", what);

	loop_unwatch(&session->watcher);
	PQfinish(session->connection);
	session->connection = NULL;
	PQclear(session->result);
	session->result = NULL;
	session->state = DOWN;
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

/*
 * Sends everything that a new connection needs before its first statement. What
 * the role or the database may have set otherwise must not make an answer
 * untrue: a 201 is for what is committed and, unless the server says otherwise
 * for all (fsync), on disk; and functions want to see what others committed.
 */
static bool
send_preparation(Session *session)
{
	PGconn	   *connection = session->connection;
	char		timeout[16];
	const char *values[2] = {timeout, session->lane == LANE_WRITE ? WRITE_LOCK_TIMEOUT : timeout};

	snprintf(timeout, sizeof(timeout), "%ds", settings.statement_timeout);
	if (PQsetnonblocking(connection, 1) != 0 || !PQenterPipelineMode(connection) ||
		!PQsendQueryParams(connection,
						   "SELECT (SELECT extversion FROM pg_catalog.pg_extension WHERE extname = 'pg_chat'),"
						   " durability = 'off',"
						   " pg_catalog.set_config('synchronous_commit',"
						   " CASE durability WHEN 'off' THEN 'on' ELSE durability END, false),"
						   " pg_catalog.set_config('default_transaction_isolation', 'read committed', false),"
						   " pg_catalog.set_config('default_transaction_read_only', 'off', false),"
						   " pg_catalog.set_config('statement_timeout', $1::text, false),"
						   " pg_catalog.set_config('lock_timeout', $2::text, false),"
						   " pg_catalog.set_config('idle_in_transaction_session_timeout', $1::text, false)"
						   " FROM pg_catalog.current_setting('synchronous_commit') AS durability",
						   2, NULL, values, NULL, NULL, 0))
		return false;
	for (int i = 0; i < STATEMENT_COUNT; i++)
		if (!PQsendPrepare(connection, statements[i].name, statements[i].text, 0, NULL))
			return false;
	return PQpipelineSync(connection) == 1;
}

/* Is it a version whose functions these statements fit? */
static bool
version_fits(const char *version)
{
	size_t		length = strlen(CHATD_VERSION);

	return strncmp(version, CHATD_VERSION, length) == 0 &&
		(version[length] == '\0' || version[length] == '.');
}

/*
 * Looks at one result of the preparation, which has none of its own operations.
 * Returns false if the session went down.
 */
static bool
session_prepared(Session *session, PGresult *result)
{
	const char *problem = NULL;

	switch (PQresultStatus(result))
	{
		case PGRES_TUPLES_OK:
			if (PQgetisnull(result, 0, 0))
				problem = "the extension pg_chat is not in this database";
			else if (!version_fits(PQgetvalue(result, 0, 0)))
				problem = "the version of the extension pg_chat does not fit chatd " CHATD_VERSION;
			else if (*PQgetvalue(result, 0, 1) == 't')
				log_event("database: synchronous_commit was off, and is on for this connection");
			break;
		case PGRES_COMMAND_OK:
			break;
		case PGRES_PIPELINE_SYNC:
			session->state = READY;
			session->pause = PAUSE_FIRST;
			log_event("database: connected");
			break;
		default:
			problem = "cannot prepare the statements";
			break;
	}
	if (problem)
	{
		char		detail[512];

		snprintf(detail, sizeof(detail), "%s", PQresultErrorMessage(result));
		PQclear(result);
		session_down(session, problem, *detail ? detail : NULL);
		return false;
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
	if (strcmp(state, "25006") == 0)
		return true;
	/* With a context, it is an error of something that the statement called. */
	return PQresultErrorField(result, PG_DIAG_CONTEXT) == NULL &&
		(strncmp(state, "42", 2) == 0 || strcmp(state, "0A000") == 0 || strcmp(state, "26000") == 0);
}

/* The oldest operation has come to its end. */
static void
session_finish_first(Session *session)
{
	Operation  *operation = session->first;
	PGresult   *result = session->result;

	session->first = operation->next;
	if (session->first == NULL)
		session->last = NULL;
	else
		session->first->begun_at = loop_now();
	session->in_flight--;
	session->result = NULL;
	if (result_is_stale(result))
		session->stale = true;
	operation->done(operation, result);
	PQclear(result);
}

/* Takes all results that have arrived. */
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
			if (session->result && session->lane != LANE_WRITE)
				session_finish_first(session);
			continue;
		}
		if (session->state == PREPARING)
		{
			if (!session_prepared(session, result))
				return;
		}
		else if (PQresultStatus(result) == PGRES_PIPELINE_SYNC)
		{
			PQclear(result);
			if (session->lane == LANE_WRITE)
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
session_connect_on(Session *session)
{
	PostgresPollingStatusType status = PQconnectPoll(session->connection);

	/* libpq may have closed a socket and opened another under the same number. */
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
			if (!send_preparation(session))
				session->broken = true;
			break;
		default:
			session_down(session, "cannot connect", PQerrorMessage(session->connection));
			break;
	}
}

static void
session_ready(void *owner, uint32_t events)
{
	Session    *session = owner;

	if (session->state == CONNECTING)
	{
		session_connect_on(session);
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

	/* What comes after dbname overrides it; what comes before, it overrides. */
	static const char *const keywords[] = {
		"tcp_user_timeout", "keepalives_idle", "keepalives_interval",
		"fallback_application_name", "dbname", "client_encoding", NULL
	};
	const char *const values[] = {
		"10000", "10", "5", "chatd", settings.database, "UTF8", NULL
	};

	session->state = CONNECTING;
	session->started_at = loop_now();
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
database_open(void)
{
	const int	sizes[LANE_COUNT] = {settings.writers, settings.readers, settings.searchers};

	session_count = settings.writers + settings.readers + settings.searchers;
	sessions = calloc(session_count, sizeof(Session));
	if (sessions == NULL)
	{
		log_event("out of memory");
		exit(1);
	}
	for (int lane = 0, i = 0; lane < LANE_COUNT; lane++)
	{
		for (int n = 0; n < sizes[lane]; n++, i++)
		{
			Session    *session = &sessions[i];

			session->lane = lane;
			session->pause = PAUSE_FIRST;
			session->watcher = (Watcher) {.fd = -1, .ready = session_ready, .owner = session};
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
	bool		alone = operation->alone || session->lane == LANE_WRITE;

	operation->next = NULL;
	operation->begun_at = loop_now();
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
database_turn(void)
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
			session_down(session, "the database has changed, connecting anew", NULL);
		else
			loop_watch(&session->watcher, PQsocket(session->connection),
					   unsent ? EPOLLIN | EPOLLOUT : EPOLLIN);
	}
}

void
database_tick(void)
{
	uint64_t	limit = (uint64_t) settings.statement_timeout * 1000 + ANSWER_GRACE;

	for (int i = 0; i < session_count; i++)
	{
		Session    *session = &sessions[i];

		if ((session->state == CONNECTING || session->state == PREPARING) &&
			loop_now() - session->started_at > CONNECT_TIMEOUT)
			session_down(session, "cannot connect in time", NULL);
		else if (session->first && loop_now() - session->first->begun_at > limit)
			session_down(session, "the database does not answer", NULL);
	}
}

void
database_close(void)
{
	for (int i = 0; i < session_count; i++)
	{
		Session    *session = &sessions[i];

		if (session->state != DOWN)
			session_down(session, "closed", NULL);
		loop_arm(&session->retry, 0);
	}
}
