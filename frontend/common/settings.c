/*
 * settings.c
 *		The user's settings: one table for flags, environment variables and --help.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/settings.h"
#include "common/settings_file.h"

Settings	settings = {
	.listen = "127.0.0.1",
	.port = 8080,
	.loops = 1,
	.max_connections = 4096,
	.max_streams = 10000,
	.max_queue = 4096,
	.max_body = 512 * 1024,
	.writers = 2,
	.readers = 2,
	.searchers = 2,
	.exports = 4,
	.idle_timeout = 60,
	.request_timeout = 15,
	.write_timeout = 30,
	.statement_timeout = 10,
	.export_timeout = 600,
};

/* A setting is a string, or an integer from min to max (a switch: 0 or 1). */
typedef struct Setting
{
	const char *flag;
	const char *variable;
	const char *operand;		/* NULL for a switch */
	const char *help;
	const char **text;
	int		   *number;
	int			min;
	int			max;
	bool		reloads;		/* at SIGHUP */
} Setting;

static const Setting table[] = {
	{"settings", "CHATD_SETTINGS", "FILE", "a file of settings, NAME = VALUE in each line, named as the flags", &settings.file, NULL, 0, 0, false},
	{"listen", "CHATD_LISTEN", "ADDRESS,...", "addresses to listen on, IPv4 or IPv6, with or without a port; paths of sockets", &settings.listen, NULL, 0, 0, false},
	{"port", "CHATD_PORT", "PORT", "port to listen on, 0 for any free one", NULL, &settings.port, 0, 65535, false},
	{"loops", "CHATD_LOOPS", "N", "processes that share the port", NULL, &settings.loops, 1, 256, false},
	{"share-port", "CHATD_SHARE_PORT", NULL, "share the port with other chatd", NULL, &settings.share_port, 0, 1, false},
	{"database", "CHATD_DATABASE", "CONNINFO", "libpq connection string or URI", &settings.database, NULL, 0, 0, false},
	{"database-read", "CHATD_DATABASE_READ", "CONNINFO", "the same of standbys, for reads, searches and streams", &settings.database_read, NULL, 0, 0, false},
	{"writers", "CHATD_WRITERS", "N", "database connections for writes, per loop", NULL, &settings.writers, 1, 16, false},
	{"readers", "CHATD_READERS", "N", "database connections for reads, per loop", NULL, &settings.readers, 1, 16, false},
	{"searchers", "CHATD_SEARCHERS", "N", "database connections for searches, per loop", NULL, &settings.searchers, 1, 16, false},
	{"exports", "CHATD_EXPORTS", "N", "exports at a time, each with a database connection, per loop", NULL, &settings.exports, 1, 16, false},
	{"max-connections", "CHATD_MAX_CONNECTIONS", "N", "connections of clients, per loop", NULL, &settings.max_connections, 1, 100000, false},
	{"max-streams", "CHATD_MAX_STREAMS", "N", "streams of clients, per loop", NULL, &settings.max_streams, 1, 100000, false},
	{"max-queue", "CHATD_MAX_QUEUE", "N", "requests that may wait for the database, per loop", NULL, &settings.max_queue, 1, 1000000, false},
	{"max-body", "CHATD_MAX_BODY", "BYTES", "largest body of a request", NULL, &settings.max_body, 1024, 16 * 1024 * 1024, false},
	{"idle-timeout", "CHATD_IDLE_TIMEOUT", "SECONDS", "closes a connection without a request", NULL, &settings.idle_timeout, 1, 86400, false},
	{"request-timeout", "CHATD_REQUEST_TIMEOUT", "SECONDS", "for receiving a request whole, and for waiting in the queue", NULL, &settings.request_timeout, 1, 3600, false},
	{"write-timeout", "CHATD_WRITE_TIMEOUT", "SECONDS", "without a client taking any of its answer", NULL, &settings.write_timeout, 1, 3600, false},
	{"statement-timeout", "CHATD_STATEMENT_TIMEOUT", "SECONDS", "for the database to answer", NULL, &settings.statement_timeout, 1, 3600, false},
	{"export-timeout", "CHATD_EXPORT_TIMEOUT", "SECONDS", "for the database to collect what is exported", NULL, &settings.export_timeout, 1, 86400, false},
	{"access-log", "CHATD_ACCESS_LOG", NULL, "log each request", NULL, &settings.access_log, 0, 1, true},
	{"access-log-json", "CHATD_ACCESS_LOG_JSON", NULL, "log each request as a line of JSON", NULL, &settings.access_log_json, 0, 1, true},
	{"require-keys", "CHATD_REQUIRE_KEYS", NULL, "refuse requests without a key or a token that an application signed", NULL, &settings.require_keys, 0, 1, false},
	{"open", "CHATD_OPEN", NULL, "serve everybody, without keys, on an address that is not loopback", NULL, &settings.open, 0, 1, false},
	{"try-it", "CHATD_TRY_IT", NULL, "offer Try it in the console, too, if others reach chatd or keys are required", NULL, &settings.try_it, 0, 1, false},
	{"trust-tokens", "CHATD_TRUST_TOKENS", "read|write", "scope of an application's token in the path, with keys required", &settings.trust_tokens, NULL, 0, 0, true},
	{"origins", "CHATD_ORIGINS", "ORIGIN,...", "origins of web pages that may call, such as https://shop.example", &settings.origins, NULL, 0, 0, true},
	{"hosts", "CHATD_HOSTS", "NAME,...", "host names for requests without a key, besides localhost", &settings.hosts, NULL, 0, 0, true},
	{"trusted-proxies", "CHATD_TRUSTED_PROXIES", "ADDRESS,...", "gateways whose X-Forwarded-For is trusted, such as 10.0.0.0/8", &settings.trusted_proxies, NULL, 0, 0, true},
	{"key-requests", "CHATD_KEY_REQUESTS", "N", "requests per second of a key, 0 for no limit; this and the following per loop", NULL, &settings.key_requests, 0, 1000000, true},
	{"key-messages", "CHATD_KEY_MESSAGES", "N", "messages per second of a key", NULL, &settings.key_messages, 0, 1000000, true},
	{"key-streams", "CHATD_KEY_STREAMS", "N", "streams of a key at a time", NULL, &settings.key_streams, 0, 100000, true},
	{"user-requests", "CHATD_USER_REQUESTS", "N", "requests per second of a user", NULL, &settings.user_requests, 0, 1000000, true},
	{"user-messages", "CHATD_USER_MESSAGES", "N", "messages per second of a user", NULL, &settings.user_messages, 0, 1000000, true},
	{"user-streams", "CHATD_USER_STREAMS", "N", "streams of a user at a time", NULL, &settings.user_streams, 0, 100000, true},
	{"address-requests", "CHATD_ADDRESS_REQUESTS", "N", "requests per second of an address", NULL, &settings.address_requests, 0, 1000000, true},
	{"address-messages", "CHATD_ADDRESS_MESSAGES", "N", "messages per second of an address", NULL, &settings.address_messages, 0, 1000000, true},
};

#define TABLE_SIZE (sizeof(table) / sizeof(table[0]))
#define PROBLEM_SIZE 256

static void
print_help(void)
{
	printf("chatd serves pg_chat over HTTP.\n\nUsage: chatd [--FLAG VALUE]...\n\n"
		   "A flag overrides its environment variable, which overrides the file of settings.\n\n");
	for (size_t i = 0; i < TABLE_SIZE; i++)
	{
		const Setting *setting = &table[i];
		char		flag[48];

		snprintf(flag, sizeof(flag), "--%s%s%s", setting->flag,
				 setting->operand ? " " : "", setting->operand ? setting->operand : "");
		printf("  %-28s %s\n%31s%s", flag, setting->help, "", setting->variable);
		if (setting->operand == NULL)
			printf("=1");
		else if (setting->number)
			printf(", %d to %d, default %d", setting->min, setting->max, *setting->number);
		else if (*setting->text)
			printf(", default %s", *setting->text);
		printf("\n");
	}
	printf("  %-28s this text\n  %-28s the version\n\n", "--help", "--version");
	printf("What CONNINFO leaves open comes from libpq's variables (PGHOST, PGUSER,\n"
		   "PGPASSFILE, PGSSLMODE and so on). A password on the command line can be seen\n"
		   "by others: prefer a password file.\n\n"
		   "SIGTERM and SIGINT answer what was accepted and then end chatd. SIGHUP reads\n"
		   "the file of settings again: those of the logs of requests, of who may call and of\n"
		   "limits take effect. Others need a restart.\n");
}

static Settings defaults;		/* before anything was read */
static bool given[TABLE_SIZE];	/* by a flag or the environment, which override the file */
static bool reloading;
static char *last_text;			/* of the file, as it was read again */

static void
fail(const char *source, const char *name, const char *message)
{
	fprintf(stderr, "chatd: %s%s %s\n", source, name, message);
	exit(2);
}

/* Sets a setting. Returns false, with a problem, if the value is invalid. */
static bool
set_value(const Setting *setting, const char *value, char *problem, size_t size)
{
	char	   *end;
	long		number;

	if (setting->text)
	{
		*setting->text = value;
		return true;
	}
	errno = 0;
	number = strtol(value, &end, 10);
	if (errno || end == value || *end || number < setting->min || number > setting->max)
	{
		snprintf(problem, size, "must be an integer from %d to %d", setting->min, setting->max);
		return false;
	}
	*setting->number = (int) number;
	return true;
}

/* Sets a setting by a flag or the environment; exits if the value is invalid. */
static void
give_value(const Setting *setting, const char *source, const char *name, const char *value)
{
	char		problem[PROBLEM_SIZE];

	if (!set_value(setting, value, problem, sizeof(problem)))
		fail(source, name, problem);
	given[setting - table] = true;
}

static const Setting *
find(const char *flag, size_t length)
{
	for (size_t i = 0; i < TABLE_SIZE; i++)
		if (strlen(table[i].flag) == length && memcmp(table[i].flag, flag, length) == 0)
			return &table[i];
	return NULL;
}

/* Takes a line of the file. Returns false, with a problem, if it is invalid. */
static bool
take_line(const char *name, const char *value, char *problem, size_t size)
{
	const Setting *setting = find(name, strlen(name));
	int			used = snprintf(problem, size, "%s ", name);

	if (setting == NULL || setting->text == &settings.file)
	{
		snprintf(problem + used, size - used, "is no setting");
		return false;
	}
	if (given[setting - table] || (reloading && !setting->reloads))
		return true;
	return set_value(setting, value, problem + used, size - used);
}

void
settings_read(int argc, char **argv)
{
	char		problem[PROBLEM_SIZE];

	defaults = settings;
	for (size_t i = 0; i < TABLE_SIZE; i++)
	{
		const char *value = getenv(table[i].variable);

		if (value && *value)
			give_value(&table[i], "", table[i].variable, value);
	}
	for (int i = 1; i < argc; i++)
	{
		const char *flag = argv[i] + 2;
		const char *equals;
		const Setting *setting;

		if (strncmp(argv[i], "--", 2) != 0)
			fail("", argv[i], "is not a flag; try --help");
		if (strcmp(flag, "help") == 0)
		{
			print_help();
			exit(0);
		}
		if (strcmp(flag, "version") == 0)
		{
			printf("chatd %s\n", CHATD_VERSION);
			exit(0);
		}
		equals = strchrnul(flag, '=');
		setting = find(flag, equals - flag);
		if (setting == NULL)
			fail("", argv[i], "is not a flag; try --help");
		if (*equals)
			give_value(setting, "--", setting->flag, equals + 1);
		else if (setting->operand == NULL)
			give_value(setting, "--", setting->flag, "1");
		else if (i + 1 < argc)
			give_value(setting, "--", setting->flag, argv[++i]);
		else
			fail("--", setting->flag, "needs a value");
	}
	if (settings.file == NULL)
		return;
	settings.file_text = settings_file_read(settings.file, take_line, problem, sizeof(problem));
	if (settings.file_text == NULL)
		fail(settings.file, ":", problem);
}

/* Puts the settings that can be read again back to what they are without the file. */
static void
forget_file(void)
{
	for (size_t i = 0; i < TABLE_SIZE; i++)
	{
		const Setting *setting = &table[i];
		const char *place = setting->text ? (const char *) setting->text : (const char *) setting->number;
		const char *value = (const char *) &defaults + (place - (const char *) &settings);

		if (given[i] || !setting->reloads)
			continue;
		if (setting->text)
			*setting->text = *(const char *const *) value;
		else
			*setting->number = *(const int *) value;
	}
}

bool
settings_reload(const char *(*check) (void))
{
	Settings	old = settings;
	char		problem[PROBLEM_SIZE];
	const char *found = problem;
	char	   *fresh = NULL;

	if (settings.file)
	{
		forget_file();
		reloading = true;
		fresh = settings_file_read(settings.file, take_line, problem, sizeof(problem));
	}
	if (settings.file == NULL || fresh)
		found = check();
	if (found)
	{
		settings = old;
		free(fresh);
		log_event("the settings stay as they are: %s: %s", settings.file ? settings.file : "settings", found);
		return false;
	}
	free(last_text);
	last_text = fresh;
	return true;
}
