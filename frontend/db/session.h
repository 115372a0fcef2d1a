/*
 * session.h
 *		Asynchronous connections to PostgreSQL.
 *
 * A session is one connection that chatd maintains: it connects, prepares the
 * statements, and reconnects after a failure. A pool is the set of sessions for
 * one kind of statement. An operation is a statement that was sent and whose
 * result is pending; it is embedded in the struct that it serves.
 */
#ifndef CHATD_SESSION_H
#define CHATD_SESSION_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "db/statements.h"

typedef enum Pool
{
	POOL_WRITE,
	POOL_READ,
	POOL_SEARCH,
	POOL_COUNT
} Pool;

typedef struct Session Session;

/*
 * done is called once for each operation that was sent, with the result, which
 * the caller frees, or with NULL if the connection was lost, and with it what
 * became of the operation. The status is PGRES_PIPELINE_ABORTED if the operation
 * was not executed because an earlier one failed; that happens neither in
 * POOL_WRITE nor to an operation that was sent with alone set.
 */
typedef struct Operation
{
	void		(*done) (struct Operation *operation, const PGresult *result);
	bool		alone;
	bool		large;			/* its result is expected to be large */
	struct Operation *next;
	uint64_t	started_at;		/* when it became the first in flight */
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

/* Starts connecting the sessions of all pools. */
extern void sessions_open(void);

/* Ends all sessions; operations in flight are done with NULL. */
extern void sessions_close(void);

/* Has each session connected, or failed to, since the start? */
extern bool database_tried(void);

/* Is any session of the pool connected? */
extern bool database_ready(Pool pool);

/* Why the database cannot be used, for people; has nothing secret in it. */
extern const char *database_reason(void);

/* The same as a sentence for clients, who are told the reason if it is about versions. */
extern const char *database_unavailable(void);

/*
 * The connected session of the pool with the fewest operations in flight; NULL
 * if none has fewer than depth.
 */
extern Session *session_pick(Pool pool, int depth);

/*
 * The same for an operation with a large result, which others should not have to wait
 * behind: such ones are in flight in at most half of the sessions, and session_pick()
 * leaves those alone as long as there is another.
 */
extern Session *session_pick_large(Pool pool, int depth);

/* Sends a statement. In any case operation->done is called, and not before this returns. */
extern void session_send(Session *session, Operation *operation, StatementId statement,
						 const Parameters *parameters);

/* At the end of an iteration of the loop: flushes sessions, ends broken ones. */
extern void sessions_flush(void);

/* Once a second: ends sessions whose server does not respond. */
extern void sessions_tick(void);

#endif
