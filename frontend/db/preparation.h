/*
 * preparation.h
 *		What a new session needs before its first statement.
 */
#ifndef CHATD_PREPARATION_H
#define CHATD_PREPARATION_H

#include <libpq-fe.h>
#include <stdbool.h>

/*
 * Puts a connection into pipeline mode, and sends its settings and the statements
 * to be prepared, up to a synchronization point. Returns false on failure.
 */
extern bool preparation_send(PGconn *connection, bool writes);

/* The reason that sessions share their backends, which holds for all of them. */
extern const char *const preparation_pooled;

/*
 * Checks one of the results up to that point. Returns NULL, or why the session
 * cannot be used, for people, as long as the result is there. versions: whether that
 * is since versions do not fit each other.
 */
extern const char *preparation_check(const PGresult *result, bool *versions);

/* The process id of the backend, if it is in this one of the results, else 0. */
extern int	preparation_backend(const PGresult *result);

#endif
