/*
 * redis_answer.c
 *	  Replies of Redis, and errors about them.
 *
 * A text of the server is shown shortened, in printable characters, and
 * without a token.
 */
#include "postgres.h"

#include "redis/redis_answer.h"

/* The most bytes of a server's text that are shown. */
#define SHOWN_MAX 200

/*
 * Raise 08006: what could not be done, and why. The latter may be the server's
 * text: it is shortened, and only printable ASCII is shown.
 */
void
redis_raise(const char *what, const char *why)
{
	char	   *shown = pnstrdup(why, SHOWN_MAX);

	for (char *byte = shown; *byte; byte++)
		if (*byte < ' ' || *byte > '~')
			*byte = '?';
	ereport(ERROR,
			(errcode(ERRCODE_CONNECTION_FAILURE),
			 errmsg("%s Redis: %s", what, shown)));
}

/*
 * The part of a server's error that may be shown. An error may quote the
 * command, and with it a key that has a token: that part is left out, or
 * everything but the code.
 */
static const char *
shown_error(const char *text)
{
	char	   *shown = pstrdup(text);
	char	   *quote = strstr(shown, "with args");

	if (quote != NULL)
		while (quote > shown && strchr(" ,", quote[-1]) != NULL)
			quote--;
	if (quote != NULL)
		*quote = '\0';
	if (strstr(shown, "application:") != NULL)
		shown[strcspn(shown, " ")] = '\0';
	return strstr(shown, "application:") == NULL ? shown : "it refused the command";
}

/* Raise 08006 for a reply that was not expected. */
void
redis_raise_answer(const char *what, const redisReply *reply)
{
	redis_raise(what, reply->type == REDIS_REPLY_ERROR ? shown_error(reply->str) : "the answer is malformed");
}

/* Whether a reply is a string without a zero byte. */
bool
redis_is_text(const redisReply *reply)
{
	return reply->type == REDIS_REPLY_STRING && strlen(reply->str) == reply->len;
}

/* Raise 08006 unless the reply confirms a write. A RedisReplyCallback. */
void
redis_require_written(int i, const redisReply *reply, void *context)
{
	if (reply->type != REDIS_REPLY_STATUS && reply->type != REDIS_REPLY_INTEGER)
		redis_raise_answer("could not write counters to", reply);
}
