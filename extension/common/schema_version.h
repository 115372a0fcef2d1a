/*
 * schema_version.h
 *	  Whether the library fits the installed schema: see schema_version.c.
 */
#ifndef PG_CHAT_SCHEMA_VERSION_H
#define PG_CHAT_SCHEMA_VERSION_H

#include "postgres.h"

/* A mismatch of library and schema. Strings are in the current memory context. */
typedef struct VersionMismatch
{
	const char *message;		/* the versions of both */
	const char *hint;			/* what to do */
	bool		library_older;	/* than the schema, whose version is in the next member */
	const char *schema_version;
} VersionMismatch;

extern bool schema_version_verified;

extern bool schema_version_fits(VersionMismatch *mismatch);
extern void schema_version_raise(const VersionMismatch *mismatch);
extern void schema_version_verify(void);

/*
 * Raise 55000 unless the library fits the schema. Every function and trigger
 * that accesses the tables calls this first, before it reads an argument. In a
 * transaction.
 */
static inline void
schema_version_require(void)
{
	if (unlikely(!schema_version_verified))
		schema_version_verify();
}

#endif							/* PG_CHAT_SCHEMA_VERSION_H */
