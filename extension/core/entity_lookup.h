/*
 * entity_lookup.h
 *	  Applications and chats that arguments name: see entity_lookup.c.
 */
#ifndef PG_CHAT_ENTITY_LOOKUP_H
#define PG_CHAT_ENTITY_LOOKUP_H

#include "postgres.h"

#include "fmgr.h"

#include "core/arg_error.h"
#include "core/array_args.h"

extern bool application_find_token(Datum token, bool fresh, int32 *application);
extern int32 application_resolve_token(Datum token, bool fresh);
extern ArgError chat_missing(int32 application, int32 chat);
extern void applications_resolve_tokens(ArrayArg *applications);
extern void application_require(int32 application);
extern ArgError application_not_found(void);

extern int32 chat_argument(FunctionCallInfo fcinfo);
extern void chat_require(int32 application, int32 chat);
extern ArgError chat_not_found(int32 application, int32 chat);
extern ArgError chat_not_named(void);

#endif							/* PG_CHAT_ENTITY_LOOKUP_H */
