/*
 * result.h
 *		Failed results that are about the session, not the statement.
 */
#ifndef CHATD_RESULT_H
#define CHATD_RESULT_H

#include <libpq-fe.h>
#include <stdbool.h>

/*
 * Does the error mean that every statement of this session will fail, though those of a
 * new one may not? So it is after an upgrade of the extension, and on a standby.
 */
extern bool result_is_stale(const PGresult *result);

/* Does the error mean that the extension's library does not fit its schema? */
extern bool result_is_version_error(const PGresult *result);

#endif
