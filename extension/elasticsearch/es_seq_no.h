/*
 * operations.h
 *	  How many operations an index in Elasticsearch has seen: see operations.c.
 */
#ifndef PG_CHAT_OPERATIONS_H
#define PG_CHAT_OPERATIONS_H

#include "postgres.h"

#include "common/http_client.h"

extern HttpRequest *operations_begin(const char *index);
extern int64 operations_read(const HttpRequest *request, const char *index);
extern int64 operations_count(const char *index);

#endif							/* PG_CHAT_OPERATIONS_H */
