/*
 * es_version.h
 *	  Versions of documents: see es_version.c.
 */
#ifndef PG_CHAT_ES_VERSION_H
#define PG_CHAT_ES_VERSION_H

#include "postgres.h"

extern int64 es_version_next(void);
extern int64 es_version_last(void);
extern void es_version_begin_above(int64 noted);
extern int64 es_version_skip_lost(void);

#endif							/* PG_CHAT_ES_VERSION_H */
