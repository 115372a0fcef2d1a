/*
 * json_read.h
 *	  JSON from servers that are not trusted: see json_read.c.
 */
#ifndef PG_CHAT_JSON_READ_H
#define PG_CHAT_JSON_READ_H

#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/jsonb.h"

extern Jsonb *json_parse_object(const char *text, int length, const char **problem);

/* Access to parts of a value. A value that is NULL, or of another type, has no such part. */
extern JsonbValue *json_member(const JsonbContainer *container, const char *key);
extern JsonbValue *json_element(const JsonbContainer *container, uint32 i);
extern const JsonbContainer *json_container(const JsonbValue *value);
extern bool json_integer(const JsonbValue *value, int64 *result);
extern bool json_is_true(const JsonbValue *value);
extern bool json_is_false(const JsonbValue *value);
extern char *json_string(const JsonbValue *value);

#endif							/* PG_CHAT_JSON_READ_H */
