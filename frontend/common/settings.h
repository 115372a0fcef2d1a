/*
 * settings.h
 *		The user's settings, read at startup, some of them again at SIGHUP.
 */
#ifndef CHATD_SETTINGS_H
#define CHATD_SETTINGS_H

#include <stdbool.h>

#define CHATD_VERSION "0.2"

typedef struct Settings
{
	const char *file;			/* of settings, or NULL */
	char	   *file_text;		/* as it was read at the start: settings may be in it */
	const char *listen;			/* addresses to listen on, by commas */
	const char *database;		/* connection string; NULL: libpq's defaults */
	const char *database_read;	/* that of standbys; NULL: there are none */
	int			port;			/* 0: any free one */
	int			loops;			/* processes that share the port */
	int			share_port;		/* with other chatd */
	int			max_connections;	/* of clients, for each loop */
	int			max_streams;	/* of clients, for each loop */
	int			max_queue;		/* requests waiting for the database */
	int			max_body;		/* bytes of a request's body */
	int			writers;		/* database connections, for each loop */
	int			readers;
	int			searchers;
	int			exports;		/* at a time, each with a database connection, for each loop */
	int			idle_timeout;	/* this and the other timeouts: seconds */
	int			request_timeout;
	int			write_timeout;
	int			statement_timeout;
	int			export_timeout;
	int			access_log;
	int			access_log_json;
	int			require_keys;
	int			open;			/* to everybody who reaches the address */
	int			try_it;			/* the console offers this, wherever chatd listens */
	const char *trust_tokens;	/* the scope that a token in the path is enough for, or NULL */
	const char *origins;		/* of web pages that may call, by commas; these: NULL, none */
	const char *hosts;			/* names that chatd is called by */
	const char *trusted_proxies;
	int			key_requests;	/* these per second, for each; 0: any number */
	int			key_messages;
	int			key_streams;	/* at a time; 0: any number */
	int			user_requests;
	int			user_messages;
	int			user_streams;
	int			address_requests;
	int			address_messages;
} Settings;

extern Settings settings;

/*
 * Fills in settings from the flags, the environment and the file. Exits with status
 * 0 after --help and --version, and with status 2 and a message that names the
 * setting if one is invalid.
 */
extern void settings_read(int argc, char **argv);

/*
 * Reads the file of settings again, if there is one: those that need no restart. check returns what is
 * wrong with them, or NULL. If anything is wrong, logs it, and all stay as they were. Returns whether
 * they were read.
 */
extern bool settings_reload(const char *(*check) (void));

#endif
