/*
 * redis_url.h
 *	  URLs of Redis servers: see redis_url.c.
 */
#ifndef PG_CHAT_REDIS_URL_H
#define PG_CHAT_REDIS_URL_H

#include "postgres.h"

/* The parts of a URL; NULL if it does not have them. */
typedef struct RedisUrl
{
	bool		tls;
	char	   *host;			/* NULL for a Unix socket */
	int			port;
	char	   *path;			/* of a Unix socket */
	char	   *user;
	char	   *password;
	char	   *database;
} RedisUrl;

extern bool redis_url_parse(char *url, RedisUrl *parts, const char **problem);
extern bool redis_url_is_valid(const char *url, bool *has_password, const char **problem);

#endif							/* PG_CHAT_REDIS_URL_H */
