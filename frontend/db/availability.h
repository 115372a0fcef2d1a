/*
 * availability.h
 *		Why the database cannot be used: the primary, or the standbys.
 */
#ifndef CHATD_AVAILABILITY_H
#define CHATD_AVAILABILITY_H

#include <stdbool.h>

/* Logs what became of a session. */
extern void database_log(bool standby, const char *what);

/*
 * Sets why a session ended or cannot connect, and logs it. what goes to /readyz, and so
 * has nothing secret in it; detail, or NULL, goes to the log only. The same line is
 * logged at most once a minute, since every session tries for as long as it takes.
 */
extern void database_set_reason(bool standby, const char *what, const char *detail);

/* The reason of the primary is that versions do not fit each other: clients are told. */
extern void database_set_unfit(void);

/* The last reason, for operators. */
extern const char *database_reason(bool standby);

/* A sentence for clients: that the database is not available, and why, if they are told. */
extern const char *database_unavailable(void);

#endif
