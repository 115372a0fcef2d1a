/*
 * result.h
 *		What the failed result of a statement says about its session.
 */
#ifndef CHATD_RESULT_H
#define CHATD_RESULT_H

#include <libpq-fe.h>
#include <stdbool.h>

/*
 * Does the error mean that this session will always fail, though a new one may
 * not? So it is after an upgrade of the extension, or if the server is a standby.
 */
extern bool result_is_stale(const PGresult *result);

/* Is it the error that the extension's library does not fit its schema? */
extern bool result_is_version_error(const PGresult *result);

#endif
