/*
 * preparation.h
 *		Preparing a new session for its first statement.
 */
#ifndef CHATD_PREPARATION_H
#define CHATD_PREPARATION_H

#include <libpq-fe.h>
#include <stdbool.h>

#include "db/pool.h"

/*
 * Puts a connection into pipeline mode, and sends its settings and the statements
 * to be prepared, for a session of a pool, up to a synchronization point. Returns false on
 * failure.
 */
extern bool preparation_send(PGconn *connection, Pool pool);

/* A result of preparation_check(): sessions share backends, so that no session can be used. */
extern const char *const preparation_pooled;

/*
 * Checks one of the results up to that point. Returns NULL, or why the session cannot
 * be used, a text for people that lives as long as the result. Sets versions to whether
 * the reason is that versions do not fit each other.
 */
extern const char *preparation_check(const PGresult *result, bool *versions);

/* The process id of the backend, if it is in this one of the results, else 0. */
extern int	preparation_backend(const PGresult *result);

#endif
