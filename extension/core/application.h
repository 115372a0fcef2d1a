/*
 * application.h
 *	  Applications: see application.c.
 */
#ifndef PG_CHAT_APPLICATION_H
#define PG_CHAT_APPLICATION_H

#include "core/arg_error.h"
#include "core/sql_function.h"

/* Hexadecimal digits in a token: 128 bits. */
#define TOKEN_LENGTH 32

/* Characters in the name of an application, at most. */
#define APPLICATION_NAME_MAXIMUM 255

extern int32 application_resolve_token(Datum token, SqlFunctionAccess access);
extern void application_require(int32 application);
extern ArgError application_not_found(void);

#endif							/* PG_CHAT_APPLICATION_H */
