/*
 * availability.h
 *		Why the database cannot be used.
 */
#ifndef CHATD_AVAILABILITY_H
#define CHATD_AVAILABILITY_H

/*
 * Sets why a session ended or cannot connect, and logs it. what goes to /readyz, and so
 * has nothing secret in it; detail, or NULL, goes to the log only. The same line is
 * logged at most once a minute, since every session tries for as long as it takes.
 */
extern void database_set_reason(const char *what, const char *detail);

/* The reason is that versions do not fit each other: clients are told. */
extern void database_set_unfit(void);

/* The last reason, for operators. */
extern const char *database_reason(void);

/* A sentence for clients: that the database is not available, and why, if they are told. */
extern const char *database_unavailable(void);

#endif
