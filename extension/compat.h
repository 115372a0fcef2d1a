/*
 * compat.h
 *	  What differs between the supported versions of PostgreSQL, 14 to 18.
 *
 * Nothing else in the extension looks at PG_VERSION_NUM.
 */
#ifndef PG_CHAT_COMPAT_H
#define PG_CHAT_COMPAT_H

#include "postgres.h"

#if PG_VERSION_NUM < 140000
#error "pg_chat needs PostgreSQL 14 or later"
#endif

#if PG_VERSION_NUM >= 160000
#include "varatt.h"				/* VARDATA_ANY and the like, before in postgres.h */
#endif

#if PG_VERSION_NUM < 150000
#include "utils/guc.h"

/* PostgreSQL 14 cannot reserve a prefix; this warns of unknown settings. */
#define MarkGUCPrefixReserved(prefix) EmitWarningsOnPlaceholders(prefix)
#endif

#endif							/* PG_CHAT_COMPAT_H */
