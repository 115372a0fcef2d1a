/*
 * document.h
 *	  A message as Elasticsearch holds it: see document.c.
 */
#ifndef PG_CHAT_DOCUMENT_H
#define PG_CHAT_DOCUMENT_H

#include "postgres.h"

#include "lib/stringinfo.h"

/* The key of a message. */
typedef struct MessageKey
{
	int32		application;
	int32		chat;
	int32		number;
} MessageKey;

/* The longest _id, with its end. */
#define DOCUMENT_ID_SIZE 36

extern const char document_settings[];
extern const char document_mappings[];

extern void document_id(MessageKey key, char id[DOCUMENT_ID_SIZE]);
extern uint32 document_checksum(MessageKey key, const char *folded, int length);
extern char *document_fold(const text *body, int *length);
extern bool document_append(StringInfo target, MessageKey key, const text *body, int64 version);
extern void document_append_deletion(StringInfo target, MessageKey key, int64 version);

#endif							/* PG_CHAT_DOCUMENT_H */
