/*
 * es_document.h
 *	  A message as a document in Elasticsearch: see es_document.c.
 */
#ifndef PG_CHAT_ES_DOCUMENT_H
#define PG_CHAT_ES_DOCUMENT_H

#include "postgres.h"

#include "lib/stringinfo.h"

#include "common/keys.h"

/* The size of the longest _id, with its NUL. */
#define ES_DOCUMENT_ID_SIZE 36

extern const char es_document_settings[];
extern const char es_document_mappings[];

extern int	es_document_id(MessageKey key, char id[ES_DOCUMENT_ID_SIZE]);
extern uint32 es_document_checksum(MessageKey key, const char *folded, int length);
extern char *es_document_fold(const text *body, int *length);
extern bool es_document_append(StringInfo target, MessageKey key, const text *body, int64 version);
extern void es_document_append_deletion(StringInfo target, MessageKey key, int64 version);

#endif							/* PG_CHAT_ES_DOCUMENT_H */
