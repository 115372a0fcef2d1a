/*
 * session.c
 *		An asynchronous connection to PostgreSQL.
 *
 * A session goes from DOWN to CONNECTING to PREPARING to READY, and from each of
 * them back to DOWN. A timer then starts it again, after a pause that grows with
 * each failure and is random in part, so that many chatd do not reconnect at the
 * same time. Connecting takes place in a thread (connector.c), which ends by itself
 * even if it takes minutes; the other states are ended at their deadlines.
 *
 * Statements are pipelined. A write, or a step of an export, has a synchronization point
 * of its own, and so is a transaction of its own; it is done when that point is reached,
 * which is after the commit. Where there are standbys, the server is then asked for the LSN
 * that the commit of a write lies before, and the write is done with that. The reads that are
 * sent in one iteration of the loop share a point, which saves most of the system calls
 * on both sides; each is done with its result. If one of them fails, the server skips
 * the rest up to the point; reads.c then sends those again, each by itself.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "db/availability.h"
#include "db/lsn.h"
#include "db/preparation.h"
#include "db/result.h"
#include "db/session.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/settings.h"
#include "metrics/figures.h"

#define CONNECT_TIMEOUT 5000	/* for connecting or preparing, ms */
#define ANSWER_GRACE 5000		/* beyond the statement timeout, ms */
#define PAUSE_FIRST 50			/* before the next attempt to connect, ms */
#define PAUSE_LAST 2000

/* Rise when all sessions with the primary, or with standbys, that are ready by then have to be replaced. */
static unsigned generations[2];

static void session_start(void *owner);

static unsigned *
generation_of(const Session *session)
{
	return &generations[POOL_IS_STANDBY(session->pool)];
}

/* Puts a session into a state, and counts that. */
static void
enter(Session *session, SessionState state)
{
	if (session->state == READY)
		figures->disconnections[session->pool]++;
	figures->sessions[session->pool][session->state]--;
	figures->sessions[session->pool][state]++;
	session->state = state;
}

/* Is each statement a transaction of its own, which is done with its commit? */
static bool
commits(const Session *session)
{
	return session->pool == POOL_WRITE || session->pool == POOL_EXPORT;
}

/* Is each statement followed by a question for the LSN that its commit lies before? */
static bool
asks_lsn(const Session *session)
{
	return session->pool == POOL_WRITE && settings.database_read;
}

/* Closes the connection, and ends the operations in flight. */
static void
session_end(Session *session)
{
	Operation  *operation = session->first;
	PGresult   *committed = session->committed ? session->result : NULL;

	loop_unwatch(&session->watcher);
	PQfinish(session->connection);
	session->connection = NULL;
	if (committed == NULL)
		PQclear(session->result);
	session->result = NULL;
	session->committed = false;
	session->replayed = 0;
	session->promoted = false;
	enter(session, DOWN);
	session->tried = true;
	session->unsynced = session->broken = session->stale = false;
	session->first = session->last = NULL;
	session->in_flight = session->large = 0;
	while (operation)
	{
		Operation  *next = operation->next;

		operation->done(operation, committed);
		PQclear(committed);
		committed = NULL;
		operation = next;
	}
}

/* The same, and schedules the next attempt to connect. The reason is as for database_set_reason(). */
static void
session_down(Session *session, const char *what, const char *detail)
{
	database_set_reason(POOL_IS_STANDBY(session->pool), what, detail);
	loop_arm(&session->retry, loop_now() + session->pause / 2 + random() % session->pause);
	session->pause = session->pause * 2 > PAUSE_LAST ? PAUSE_LAST : session->pause * 2;
	session_end(session);
}

static void
log_notice(void *unused, const char *message)
{
	(void) unused;
	log_event("database: %s", message);
}

/* Takes over one result of the preparation. Returns false if that ended the session. */
static bool
session_take_preparation(Session *session, PGresult *result)
{
	bool		versions;
	const char *mismatch = preparation_check(result, &versions);

	if (mismatch)
	{
		const char *detail = PQresultErrorMessage(result);

		session_down(session, mismatch, *detail ? detail : NULL);
		if (versions && !POOL_IS_STANDBY(session->pool))
			database_set_unfit();
		if (mismatch == preparation_pooled)
			++* generation_of(session);
		PQclear(result);
		return false;
	}
	if (preparation_backend(result))
		session->backend = preparation_backend(result);
	if (PQresultStatus(result) == PGRES_PIPELINE_SYNC)
	{
		enter(session, READY);
		session->generation = *generation_of(session);
		session->tried = true;
		session->pause = PAUSE_FIRST;
		if (session->pool != POOL_EXPORT)
			database_log(POOL_IS_STANDBY(session->pool), "connected");
	}
	PQclear(result);
	return true;
}

/* Ends the oldest operation in flight, with its result. */
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
	session->committed = false;
	histogram_add(&figures->statement_times[session->pool], time_bounds, loop_clock() - operation->sent_at, 1);
	if (result_is_stale(result))
		session->stale = true;
	operation->done(operation, result);
	PQclear(result);
}

/* Processes the results that have arrived. */
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
			if (session->result && !commits(session))
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
			if (!commits(session))
				continue;
			if (asks_lsn(session) && !session->committed)
				session->committed = true;
			else
				session_finish_first(session);
		}
		else if (session->committed)
		{
			session->first->lsn = lsn_of(result);
			PQclear(result);
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

/* Takes over the connection that an attempt to connect has made, established or not. */
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
	enter(session, PREPARING);
	session->since = loop_now();
	if (!preparation_send(connection, session->pool))
		session->broken = true;
}

static void
session_start(void *owner)
{
	Session    *session = owner;

	enter(session, CONNECTING);
	session->since = loop_now();
	session->overdue = false;
	if (!connector_start(&session->connector))
		session_down(session, "cannot connect", strerror(errno));
}

void
session_open(Session *session, Pool pool)
{
	session->pool = pool;
	figures->sessions[pool][session->state]++;
	session->pause = PAUSE_FIRST;
	session->tried = false;
	session->watcher = (Watcher) {.fd = -1, .ready = on_socket_ready, .owner = session};
	session->connector = (Connector) {.done = on_connected, .owner = session, .standby = POOL_IS_STANDBY(pool)};
	session->retry.fire = session_start;
	session->retry.owner = session;
	session_start(session);
}

static bool
is_stale(const Session *session)
{
	return session->stale || session->generation != *generation_of(session);
}

bool
session_is_usable(const Session *session)
{
	return session->state == READY && !session->broken && !is_stale(session);
}

static void
session_sync(Session *session)
{
	if (session->unsynced && !PQpipelineSync(session->connection))
		session->broken = true;
	session->unsynced = false;
}

/* Sends a statement with its label as the last parameter. Returns false if that failed. */
static bool
send_prepared(PGconn *connection, const char *name, const Parameters *parameters)
{
	const char *values[PARAMETERS_MAX + 1];
	int			lengths[PARAMETERS_MAX + 1];
	int			formats[PARAMETERS_MAX + 1];
	int			count = parameters->count;

	for (int i = 0; i < count; i++)
	{
		values[i] = parameters->values[i];
		lengths[i] = parameters->lengths ? parameters->lengths[i] : 0;
		formats[i] = parameters->formats ? parameters->formats[i] : 0;
	}
	values[count] = parameters->label;
	lengths[count] = formats[count] = 0;
	return PQsendQueryPrepared(connection, name, count + 1, values, lengths, formats, parameters->result_format) == 1;
}

/* Asks for the LSN that the commit of what was sent lies before. */
static void
session_ask_lsn(Session *session)
{
	static const Parameters none = {0};

	if (!send_prepared(session->connection, statements[GET_LSN].name, &none))
		session->broken = true;
	session->unsynced = true;
	session_sync(session);
}

void
session_send(Session *session, Operation *operation, StatementId statement,
			 const Parameters *parameters)
{
	bool		alone = operation->alone || commits(session);

	operation->next = NULL;
	operation->lsn = 0;
	operation->started_at = loop_now();
	operation->sent_at = loop_clock();
	if (alone)
		session_sync(session);
	if (session->last)
		session->last->next = operation;
	else
		session->first = operation;
	session->last = operation;
	session->in_flight++;
	session->large += operation->large;
	if (!send_prepared(session->connection, statements[statement].name, parameters))
		session->broken = true;
	session->unsynced = true;
	if (alone)
		session_sync(session);
	if (asks_lsn(session))
		session_ask_lsn(session);
}

void
session_flush(Session *session)
{
	int			unsent;

	if (session->state < PREPARING)
		return;
	session_sync(session);
	unsent = PQflush(session->connection);
	if (session->broken || unsent < 0)
		session_down(session, "the connection was lost", PQerrorMessage(session->connection));
	else if (session->state == READY && is_stale(session) && session->first == NULL)
		session_down(session, "the database has changed, connecting again", NULL);
	else
		loop_watch(&session->watcher, PQsocket(session->connection),
				   unsent ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

void
session_tick(Session *session)
{
	int			seconds = session->pool == POOL_EXPORT ? settings.export_timeout : settings.statement_timeout;
	uint64_t	limit = (uint64_t) seconds * 1000 + ANSWER_GRACE;
	bool		late = loop_now() - session->since > CONNECT_TIMEOUT;

	if (session->state == CONNECTING && late && !session->overdue)
	{
		session->overdue = session->tried = true;
		database_set_reason(POOL_IS_STANDBY(session->pool), "cannot connect in time", NULL);
	}
	else if (session->state == PREPARING && late)
		session_down(session, "cannot prepare the statements in time", NULL);
	else if (session->first && loop_now() - session->first->started_at > limit)
		session_down(session, "the database does not answer", NULL);
}

/* The operation of session_probe(), while it is in flight. */
static struct
{
	Operation	operation;
	Session    *session;
}			probe;

/* The sessions that replace the present ones find the marks of these, see preparation.c. */
static void
on_probed(Operation *operation, const PGresult *result)
{
	(void) operation;
	if (PQresultStatus(result) == PGRES_TUPLES_OK && atoi(PQgetvalue(result, 0, 0)) != probe.session->backend)
		++* generation_of(probe.session);
	probe.session = NULL;
}

void
session_probe(Session *session)
{
	static const Parameters none = {0};

	/* A pooler makes up the process ID that libpq knows. */
	if (probe.session || session->state != READY || session->backend == PQbackendPID(session->connection))
		return;
	probe.operation = (Operation) {.done = on_probed, .alone = true};
	probe.session = session;
	session_send(session, &probe.operation, GET_BACKEND, &none);
}

void
session_leave_promoted(Session *session)
{
	session->stale |= session->promoted;
}

void
session_close(Session *session)
{
	/* One that is connecting has nothing in flight, and its thread cannot be ended. */
	if (session->state >= PREPARING)
		session_end(session);
	loop_arm(&session->retry, 0);
	figures->sessions[session->pool][session->state]--;
}
