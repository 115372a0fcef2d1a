/*
 * message_check.h
 *	  What a message may be: see message_check.c.
 */
#ifndef PG_CHAT_MESSAGE_CHECK_H
#define PG_CHAT_MESSAGE_CHECK_H

#include "utils/jsonb.h"

#include "core/arg_error.h"

/* pg_chat.max_body_size: the longest body of a message, in bytes. */
extern int	guc_max_body_size;

/* pg_chat.max_metadata_size: the longest metadata of a message as text, in bytes. */
extern int	guc_max_metadata_size;

extern ArgError message_check_body(const text *body);
extern ArgError message_check_sender(const text *sender);
extern ArgError message_check_key(const char *noun, const text *key);
extern ArgError message_check_metadata(Jsonb *metadata);

#endif							/* PG_CHAT_MESSAGE_CHECK_H */
