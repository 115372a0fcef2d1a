/*
 * arg_error.c
 *	  Errors about arguments.
 *
 * A function that creates one thing raises such an error; one that creates
 * many returns it for each thing that it refuses. Both get it from here, so
 * that SQLSTATE and message are the same. The words after the field are those
 * of the REST API.
 */
#include "postgres.h"

#include "core/arg_error.h"

/*
 * 23502: the argument is missing, empty, or white space only. noun names the
 * thing, field the argument.
 */
ArgError
arg_error_blank(const char *noun, const char *field)
{
	return (ArgError) {
		.sqlstate = ERRCODE_NOT_NULL_VIOLATION,
		.field = field,
		.message = psprintf("%s %s can't be blank", noun, field)
	};
}

/* 22001: the argument has more than maximum units. */
ArgError
arg_error_too_long(const char *noun, const char *field, int maximum, const char *unit)
{
	return (ArgError) {
		.sqlstate = ERRCODE_STRING_DATA_RIGHT_TRUNCATION,
		.field = field,
		.message = psprintf("%s %s is too long (maximum is %d %s)",
							noun, field, maximum, unit)
	};
}

/* 23514: the argument is JSON, but not an object. */
ArgError
arg_error_no_object(const char *noun, const char *field)
{
	return (ArgError) {
		.sqlstate = ERRCODE_CHECK_VIOLATION,
		.field = field,
		.message = psprintf("%s %s must be a JSON object", noun, field)
	};
}

/* The number, which the caller named, is below 1. */
ArgError
arg_error_number_range(const char *noun, int32 number)
{
	return (ArgError) {
		.sqlstate = ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE,
		.field = "number",
		.message = psprintf("%s number must be greater than 0", noun),
		.detail = psprintf("The number given is %d.", number)
	};
}

/* 54000: there is no number above the highest one. */
ArgError
arg_error_numbers_exhausted(const char *noun)
{
	return (ArgError) {
		.sqlstate = ERRCODE_PROGRAM_LIMIT_EXCEEDED,
		.field = "number",
		.message = psprintf("%s number has reached its maximum, %d", noun, PG_INT32_MAX),
		.hint = "Numbers below it that are free can still be named."
	};
}

/* 54000: there is no revision after the last. */
ArgError
arg_error_revisions_exhausted(const char *noun)
{
	return (ArgError) {
		.sqlstate = ERRCODE_PROGRAM_LIMIT_EXCEEDED,
		.field = "revision",
		.message = psprintf("%s revision has reached its maximum, %d", noun, PG_INT32_MAX),
		.hint = "Messages can still be appended to the chat."
	};
}

/* 23505: the value must be unique and is not. */
ArgError
arg_error_taken(const char *noun, const char *field, const char *detail, const char *hint)
{
	return (ArgError) {
		.sqlstate = ERRCODE_UNIQUE_VIOLATION,
		.field = field,
		.message = psprintf("%s %s has already been taken", noun, field),
		.detail = detail,
		.hint = hint
	};
}

/* 23505: the key is that of something else. */
ArgError
arg_error_key_used(const char *noun, const char *detail)
{
	return (ArgError) {
		.sqlstate = ERRCODE_UNIQUE_VIOLATION,
		.field = "key",
		.message = psprintf("%s key has already been used with other content", noun),
		.detail = detail,
		.hint = "Use a key for one thing only."
	};
}

/* 22023: none of the arguments is given of which one must be; field is the first of them. */
ArgError
arg_error_nothing(const char *field, const char *message)
{
	return (ArgError) {
		.sqlstate = ERRCODE_INVALID_PARAMETER_VALUE,
		.field = field,
		.message = message
	};
}

/* 55000: the thing is not as the argument, a revision, says that it is. */
ArgError
arg_error_changed(const char *noun, const char *field, int32 revision)
{
	return (ArgError) {
		.sqlstate = ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
		.field = field,
		.message = psprintf("%s %s is not its revision, %d", noun, field, revision),
		.hint = "Another was first. Read it, and try again."
	};
}

/* 42501: the thing is not of the sender that the argument names. */
ArgError
arg_error_other_sender(const char *noun, const char *field)
{
	return (ArgError) {
		.sqlstate = ERRCODE_INSUFFICIENT_PRIVILEGE,
		.field = field,
		.message = psprintf("%s %s is not its sender", noun, field)
	};
}

/* 55000: the argument, a number, is not the last of its kind. */
ArgError
arg_error_not_last(const char *noun, const char *field, int32 last)
{
	return (ArgError) {
		.sqlstate = ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
		.field = field,
		.message = psprintf("%s %s is not the last number, %d", noun, field, last),
		.hint = "Another was first. Read what came between, and try again."
	};
}

/* 40000: of things of which all or none were wanted, another is refused. */
ArgError
arg_error_other_refused(const char *noun)
{
	return (ArgError) {
		.sqlstate = ERRCODE_TRANSACTION_ROLLBACK,
		.message = psprintf("%s not created, since another was refused", noun)
	};
}

/* P0002: the thing that the arguments name does not exist. */
ArgError
arg_error_not_found(const char *what, const char *detail, const char *hint)
{
	return (ArgError) {
		.sqlstate = ERRCODE_NO_DATA_FOUND,
		.message = psprintf("%s not found", what),
		.detail = detail,
		.hint = hint
	};
}

/*
 * 55P03: another transaction has locked the thing that the arguments name, and
 * the caller does not wait.
 */
ArgError
arg_error_locked(const char *what)
{
	return (ArgError) {
		.sqlstate = ERRCODE_LOCK_NOT_AVAILABLE,
		.message = psprintf("%s is locked by another transaction", what),
		.hint = "Try again."
	};
}

/* Raise the error, if there is one. */
void
arg_error_check(ArgError problem)
{
	if (problem.sqlstate != 0)
		arg_error_raise(problem);
}

/* Have the error, if there is one, outlive the memory in which it was made: what it says is copied into the context. */
void
arg_error_keep(ArgError *problem, MemoryContext context)
{
	if (problem->sqlstate == 0)
		return;
	problem->message = MemoryContextStrdup(context, problem->message);
	if (problem->detail != NULL)
		problem->detail = MemoryContextStrdup(context, problem->detail);
}

/* Raise the error. */
void
arg_error_raise(ArgError problem)
{
	ereport(ERROR,
			(errcode(problem.sqlstate),
			 errmsg_internal("%s", problem.message),
			 problem.detail ? errdetail_internal("%s", problem.detail) : 0,
			 problem.hint ? errhint("%s", problem.hint) : 0,
			 problem.field ? err_generic_string(PG_DIAG_COLUMN_NAME, problem.field) : 0));
	pg_unreachable();
}
