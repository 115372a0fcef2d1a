/*
 * redis_answer.h
 *	  Replies of Redis, and errors about them: see redis_answer.c.
 */
#ifndef PG_CHAT_REDIS_ANSWER_H
#define PG_CHAT_REDIS_ANSWER_H

#include "postgres.h"

#include <hiredis/hiredis.h>

extern void redis_raise(const char *what, const char *why) __attribute__((noreturn));
extern void redis_raise_answer(const char *what, const redisReply *reply) __attribute__((noreturn));
extern void redis_require_written(int i, const redisReply *reply, void *context);
extern bool redis_is_text(const redisReply *reply);

#endif							/* PG_CHAT_REDIS_ANSWER_H */
