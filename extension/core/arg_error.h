/*
 * problem.h
 *	  What is wrong with an argument: see problem.c.
 */
#ifndef PG_CHAT_PROBLEM_H
#define PG_CHAT_PROBLEM_H

#include "postgres.h"

/*
 * What is wrong with an argument; none where sqlstate is 0.
 *
 * message is "<noun> <field> <predicate>", as in "message body can't be
 * blank"; field is the argument's name, or NULL where the thing that the
 * arguments name does not exist.
 */
typedef struct Problem
{
	int			sqlstate;
	const char *field;
	const char *message;
	const char *detail;			/* or NULL */
	const char *hint;			/* or NULL */
} Problem;

extern Problem problem_blank(const char *noun, const char *field);
extern Problem problem_too_long(const char *noun, const char *field, int maximum, const char *unit);
extern Problem problem_number_range(const char *noun, int32 number);
extern Problem problem_numbers_exhausted(const char *noun);
extern Problem problem_taken(const char *noun, const char *field, const char *detail, const char *hint);
extern Problem problem_not_found(const char *what, const char *detail, const char *hint);
extern Problem problem_locked(const char *what);
extern void problem_raise(Problem problem) __attribute__((noreturn));

#endif							/* PG_CHAT_PROBLEM_H */
