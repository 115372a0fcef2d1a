/*
 * arg_error.h
 *	  Errors about arguments: see arg_error.c.
 */
#ifndef PG_CHAT_ARG_ERROR_H
#define PG_CHAT_ARG_ERROR_H

#include "postgres.h"

/*
 * An error about an argument; none if sqlstate is 0.
 *
 * message is "<noun> <field> <predicate>", as in "message body can't be blank".
 * field is the name of the argument, or NULL if the thing that the arguments
 * name does not exist.
 */
typedef struct ArgError
{
	int			sqlstate;
	const char *field;
	const char *message;
	const char *detail;			/* or NULL */
	const char *hint;			/* or NULL */
} ArgError;

extern ArgError arg_error_blank(const char *noun, const char *field);
extern ArgError arg_error_too_long(const char *noun, const char *field, int maximum, const char *unit);
extern ArgError arg_error_no_object(const char *noun, const char *field);
extern ArgError arg_error_number_range(const char *noun, int32 number);
extern ArgError arg_error_numbers_exhausted(const char *noun);
extern ArgError arg_error_revisions_exhausted(const char *noun);
extern ArgError arg_error_taken(const char *noun, const char *field, const char *detail, const char *hint);
extern ArgError arg_error_nothing(const char *field, const char *message);
extern ArgError arg_error_other_refused(const char *noun);
extern ArgError arg_error_key_used(const char *noun, const char *detail);
extern ArgError arg_error_other_sender(const char *noun, const char *field);
extern ArgError arg_error_not_last(const char *noun, const char *field, int32 last);
extern ArgError arg_error_changed(const char *noun, const char *field, int32 revision);
extern ArgError arg_error_not_found(const char *what, const char *detail, const char *hint);
extern ArgError arg_error_locked(const char *what);
extern void arg_error_check(ArgError problem);
extern void arg_error_keep(ArgError *problem, MemoryContext context);
extern void arg_error_raise(ArgError problem) __attribute__((noreturn));

#endif							/* PG_CHAT_ARG_ERROR_H */
