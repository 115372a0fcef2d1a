/*
 * redis_url.c
 *	  URLs of Redis servers.
 *
 *	redis://[user[:password]@]host[:port][/database]
 *	rediss://...										the same with TLS
 *	unix://[user[:password]@]path[?db=database]
 *
 * A URL may have a password: nothing here shows any part of one.
 */
#include "postgres.h"

#include <ctype.h>

#include "redis/redis_url.h"

#define REDIS_PORT 6379

/* Decode %XX in place. Returns false if one is malformed, or %00. */
static bool
percent_decode(char *text)
{
	char	   *target = text;

	for (; *text; text++, target++)
	{
		unsigned int byte;

		if (*text != '%')
			*target = *text;
		else if (isxdigit((unsigned char) text[1]) && isxdigit((unsigned char) text[2]) &&
				 sscanf(text + 1, "%2x", &byte) == 1 && byte != 0)
		{
			*target = byte;
			text += 2;
		}
		else
			return false;
	}
	*target = '\0';
	return true;
}

static bool
is_digits(const char *text)
{
	return *text != '\0' && strspn(text, "0123456789") == strlen(text) && strlen(text) <= 5;
}

/*
 * Parse user@, user:password@ or :password@ at the beginning of *rest, which is
 * advanced.
 */
static bool
parse_user(char **rest, RedisUrl *parts, const char **problem)
{
	char	   *at = strrchr(*rest, '@');
	char	   *colon;

	if (at == NULL)
		return true;
	*at = '\0';
	colon = strchr(*rest, ':');
	if (colon != NULL)
	{
		*colon = '\0';
		parts->password = colon + 1;
	}
	if (colon == NULL || **rest != '\0')
		parts->user = *rest;
	*rest = at + 1;
	if ((parts->user == NULL || (*parts->user != '\0' && percent_decode(parts->user))) &&
		(parts->password == NULL || (*parts->password != '\0' && percent_decode(parts->password))))
		return true;
	*problem = "Before the @ stands a user, a user:password, or a :password, percent-encoded.";
	return false;
}

/* Parse host[:port][/database]. */
static bool
parse_address(char *rest, RedisUrl *parts, const char **problem)
{
	char	   *slash = strchr(rest, '/');
	char	   *end;

	if (slash != NULL)
	{
		*slash = '\0';
		if (slash[1] != '\0')
			parts->database = slash + 1;
	}

	parts->port = REDIS_PORT;
	parts->host = rest;
	if (*rest == '[' && (end = strchr(rest, ']')) != NULL)
	{
		parts->host = rest + 1;
		*end++ = '\0';
	}
	else
		end = rest + strcspn(rest, ":");
	if (*end == ':')
	{
		*end = '\0';
		if (!is_digits(end + 1) || (parts->port = atoi(end + 1)) < 1 || parts->port > 65535)
		{
			*problem = "The port must be a number from 1 to 65535.";
			return false;
		}
	}
	else if (*end != '\0')
	{
		*problem = "The host is malformed.";
		return false;
	}
	if (*parts->host == '\0')
	{
		*problem = "The host is missing.";
		return false;
	}
	return true;
}

/*
 * Parse a URL in place: the parts point into it. Returns false and sets
 * *problem if it is not one, or needs something that this build lacks.
 */
bool
redis_url_parse(char *url, RedisUrl *parts, const char **problem)
{
	char	   *rest;

	memset(parts, 0, sizeof(*parts));
	if (strncmp(url, "redis://", 8) == 0)
		rest = url + 8;
	else if (strncmp(url, "rediss://", 9) == 0)
	{
#ifndef CHAT_REDIS_TLS
		*problem = "rediss:// needs a hiredis with TLS, and pg_chat was built with one that has none.";
		return false;
#endif
		parts->tls = true;
		rest = url + 9;
	}
	else if (strncmp(url, "unix://", 7) == 0)
	{
		char	   *query;

		rest = url + 7;
		if (!parse_user(&rest, parts, problem))
			return false;
		if ((query = strchr(rest, '?')) != NULL)
		{
			*query++ = '\0';
			if (strncmp(query, "db=", 3) != 0 || query[3] == '\0')
			{
				*problem = "After the path may stand ?db=number.";
				return false;
			}
			parts->database = query + 3;
		}
		parts->path = rest;
		if (*rest != '/')
		{
			*problem = "The path must be absolute.";
			return false;
		}
	}
	else
	{
		*problem = "The URL must begin with redis://, rediss:// or unix://.";
		return false;
	}

	if (parts->path == NULL &&
		(!parse_user(&rest, parts, problem) || !parse_address(rest, parts, problem)))
		return false;
	if (parts->database != NULL && !is_digits(parts->database))
	{
		*problem = "The database must be a number.";
		return false;
	}
	return true;
}

/*
 * Whether the text is a URL that redis_connect() takes, and has a password. If
 * it is not, sets *problem, which shows nothing of it.
 */
bool
redis_url_is_valid(const char *url, bool *has_password, const char **problem)
{
	RedisUrl	parts;
	char	   *copy = strdup(url);
	bool		valid;

	if (copy == NULL)
	{
		*problem = "Out of memory.";
		return false;
	}
	valid = redis_url_parse(copy, &parts, problem);
	*has_password = parts.password != NULL;
	free(copy);
	return valid;
}
