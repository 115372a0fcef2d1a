/*
 * database.h
 *		Asynchronous connections to PostgreSQL.
 *
 * A session is one connection that chatd keeps up: it connects, prepares the
 * statements, and after a failure tries again. A lane is a set of sessions
 * for one kind of work. An operation is one statement that was sent and whose
 * result is awaited; it is embedded in whatever asked for it.
 */
#ifndef CHATD_DATABASE_H
#define CHATD_DATABASE_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "statements.h"

typedef enum Lane
{
	LANE_WRITE,
	LANE_READ,
	LANE_SEARCH,
	LANE_COUNT
} Lane;

typedef struct Session Session;

/*
 * done is called once for every operation sent, with the result, or with NULL
 * when the connection was lost and nobody knows what became of it. The result
 * is freed by the caller. Its status is PGRES_PIPELINE_ABORTED when the
 * operation was not executed because one before it failed; that happens only
 * outside of LANE_WRITE, and not to one that is sent with alone set.
 */
typedef struct Operation
{
	void		(*done) (struct Operation *operation, const PGresult *result);
	bool		alone;
	struct Operation *next;
	uint64_t	begun_at;		/* when it was the session's first: its own time */
} Operation;

/* Parameters of a statement, as PQsendQueryPrepared() takes them. */
typedef struct Parameters
{
	int			count;
	const char *const *values;
	const int  *lengths;
	const int  *formats;
	int			result_format;
} Parameters;

/* Starts connecting all sessions of all lanes. */
extern void database_open(void);

/* Ends all sessions; what was in flight is done with NULL. */
extern void database_close(void);

/* Is any session of the lane up? */
extern bool database_ready(Lane lane);

/* Why the database cannot be used, for people; no secrets in it. */
extern const char *database_reason(void);

/* The same as a sentence for clients, who are told the reason if it is about versions. */
extern const char *database_unavailable(void);

/*
 * The session of the lane with the fewest operations in flight, if it is up
 * and has fewer than depth; else NULL.
 */
extern Session *database_session(Lane lane, int depth);

/* Sends a statement. Whatever happens, operation->done will be called, later. */
extern void session_send(Session *session, Operation *operation, StatementId statement,
						 const Parameters *parameters);

/*
 * Does the error mean that its connection will never serve, though another may?
 * So after an upgrade of the extension, or on a server that became a standby.
 */
extern bool result_is_stale(const PGresult *result);

/* Is it the error that the extension's library does not fit its schema? */
extern bool result_is_version_error(const PGresult *result);

/* At the end of a turn: sends what is still buffered, ends what is broken. */
extern void database_turn(void);

/* Once a second: ends sessions that do not answer. */
extern void database_tick(void);

#endif
