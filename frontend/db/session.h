/*
 * session.h
 *		An asynchronous connection to PostgreSQL.
 *
 * A session is one connection that chatd maintains: it connects, prepares the
 * statements, and reconnects after a failure. A pool is the set of sessions for
 * one kind of statement, with the primary or with standbys. An operation is a
 * statement that was sent and whose result is pending; it is embedded in the struct
 * that it serves. An LSN is a position in the primary's write-ahead log, which
 * standbys replay.
 */
#ifndef CHATD_SESSION_H
#define CHATD_SESSION_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/loop.h"
#include "db/connector.h"
#include "db/pool.h"
#include "db/statements.h"

typedef struct Session Session;

/*
 * done is called once for each operation that was sent, with its result, which is
 * valid during the call, or with NULL if the connection was lost: then the outcome is
 * not known. The status is PGRES_PIPELINE_ABORTED if the operation was not executed
 * because an earlier one failed; that happens neither in POOL_WRITE, POOL_EXPORT nor to an
 * operation that was sent with alone set. In POOL_WRITE, lsn is set before that, where there are
 * standbys.
 */
typedef struct Operation
{
	void		(*done) (struct Operation *operation, const PGresult *result);
	bool		alone;
	bool		large;			/* its result is expected to be large */
	struct Operation *next;
	uint64_t	started_at;		/* when it became the first in flight */
	uint64_t	sent_at;		/* by loop_clock() */
	uint64_t	lsn;			/* that what it committed ends before; 0: unknown */
} Operation;

/* Parameters of a statement, as PQsendQueryPrepared() takes them. */
typedef struct Parameters
{
	int			count;
	const char *const *values;
	const int  *lengths;
	const int  *formats;
	int			result_format;
	const char *label;			/* see queries_label(); NULL: none */
} Parameters;

typedef enum SessionState
{
	DOWN,
	CONNECTING,
	PREPARING,
	READY
} SessionState;

/* Zeroed before the first session_open(). All of it is kept by session.c. */
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
	int			pause;			/* before the next attempt to connect, ms */
	bool		tried;			/* to connect, with or without success */
	Operation  *first;			/* in flight, oldest first */
	Operation  *last;
	int			in_flight;
	int			large;			/* of those in flight, how many are large */
	PGresult   *result;			/* of the first in flight, until it is done */
	bool		unsynced;		/* something was sent since the last sync */
	bool		broken;			/* sending failed */
	bool		stale;			/* see result_is_stale() */
	unsigned	generation;		/* of sessions, when it became ready */
	int			backend;		/* process ID of the one in which it was prepared */
	bool		committed;		/* the first in flight has, and its LSN is awaited */
	uint64_t	replayed;		/* LSN that its server has replayed at least, see replay.c;
								 * UINT64_MAX: it is no standby */
	bool		promoted;		/* it was one */
	Operation	asking;			/* for that */
	bool		asked;
};

/* Begins to connect, for the statements of a pool; again after session_close(), once it is down. */
extern void session_open(Session *session, Pool pool);

/* Can statements be sent to it? */
extern bool session_is_usable(const Session *session);

/* Sends a statement. In any case operation->done is called, and not before this returns. */
extern void session_send(Session *session, Operation *operation, StatementId statement,
						 const Parameters *parameters);

/* At the end of an iteration of the loop: flushes it, or ends it if it is broken. */
extern void session_flush(Session *session);

/* Once a second: ends it if the server does not respond. */
extern void session_tick(Session *session);

/*
 * Finds out whether a session behind a pooler still has the backend in which it was
 * prepared. If not, the pooler is in transaction mode, and all sessions are replaced.
 */
extern void session_probe(Session *session);

/* If its standby has been promoted, ends it as soon as nothing is in flight, so that it finds another one. */
extern void session_leave_promoted(Session *session);

/* Ends it; operations in flight are done with NULL. */
extern void session_close(Session *session);

#endif
