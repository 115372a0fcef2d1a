/*
 * json_write.h
 *	  Writing JSON: see json_write.c.
 */
#ifndef PG_CHAT_JSON_WRITE_H
#define PG_CHAT_JSON_WRITE_H

#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/builtins.h"

/* Append JSON. Here, so that a length that is known when this is compiled costs no call. */
static inline void
json_append_bytes(StringInfo target, const char *bytes, int length)
{
	if (target->len + length >= target->maxlen)
		enlargeStringInfo(target, length);
	memcpy(target->data + target->len, bytes, length);
	target->len += length;
	target->data[target->len] = '\0';
}

/* Append JSON that is known when this is compiled. */
#define json_append_literal(target, literal) json_append_bytes(target, literal, sizeof(literal) - 1)

/* Append an integer. */
static inline void
json_append_int32(StringInfo target, int32 value)
{
	enlargeStringInfo(target, sizeof("-2147483648"));
	target->len += pg_ltoa(value, target->data + target->len);
}

/* Append a bigint. */
static inline void
json_append_int64(StringInfo target, int64 value)
{
	enlargeStringInfo(target, sizeof("-9223372036854775808"));
	target->len += pg_lltoa(value, target->data + target->len);
}

extern void json_append_string(StringInfo target, const char *bytes, int length);

#endif							/* PG_CHAT_JSON_WRITE_H */
