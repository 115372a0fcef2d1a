/*
 * message_to_json.h
 *	  A message as a JSON object: see message_to_json.c.
 */
#ifndef PG_CHAT_MESSAGE_TO_JSON_H
#define PG_CHAT_MESSAGE_TO_JSON_H

#include "postgres.h"

#include "access/tupdesc.h"
#include "datatype/timestamp.h"

#include "common/json_write.h"
#include "common/message_columns.h"

extern void json_append_time(StringInfo target, TimestampTz value);
extern void message_to_json_require_types(TupleDesc descriptor, int first);
extern void message_to_json(StringInfo target, int32 chat, const Datum *values, const bool *nulls);

#endif							/* PG_CHAT_MESSAGE_TO_JSON_H */
