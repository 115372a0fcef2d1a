/*
 * settings.c
 *	  The extension's settings, pg_chat.*.
 */
#include "postgres.h"

#include "utils/guc.h"

#include "compat.h"
#include "redis.h"
#include "settings.h"

int			settings_max_body_size;
int			settings_reconcile_interval;
int			settings_scrub_interval;
char	   *settings_redis_url;
char	   *settings_redis_password_file;

/*
 * No message shows the value, which PostgreSQL's own would do: there may be a
 * password in it, which is refused, since PostgreSQL logs what a setting is
 * changed to.
 */
static bool
check_redis_url(char **value, void **extra, GucSource source)
{
	const char *problem;
	const char *hint = NULL;

	if (**value == '\0' || redis_url_is_valid(*value, &problem, &hint))
		return true;
	GUC_check_errmsg("invalid value for parameter \"%s\"", "pg_chat.redis_url");
	GUC_check_errdetail("%s", problem);
	if (hint != NULL)
		GUC_check_errhint("%s", hint);
	return false;
}

/*
 * Define all settings. Called once, when the library is loaded.
 */
void
settings_define(void)
{
	DefineCustomIntVariable("pg_chat.max_body_size",
							"The longest body of a message.",
							NULL,
							&settings_max_body_size,
							64 * 1024, 1, 16 * 1024 * 1024,
							PGC_SUSET, GUC_UNIT_BYTE,
							NULL, NULL, NULL);

	DefineCustomIntVariable("pg_chat.reconcile_interval",
							"Time between two passes of the worker that mend counts.",
							NULL,
							&settings_reconcile_interval,
							60, 1, 3600,
							PGC_SIGHUP, GUC_UNIT_S,
							NULL, NULL, NULL);

	DefineCustomIntVariable("pg_chat.scrub_interval",
							"Time within which the worker counts everything once.",
							NULL,
							&settings_scrub_interval,
							24 * 60 * 60, 60, 30 * 24 * 60 * 60,
							PGC_SIGHUP, GUC_UNIT_S,
							NULL, NULL, NULL);

	DefineCustomStringVariable("pg_chat.redis_url",
							   "Redis server that counters are mirrored to; empty for none.",
							   "redis://[user@]host[:port][/database], rediss:// for TLS, or unix://[user@]path[?db=database].",
							   &settings_redis_url,
							   "",
							   PGC_SIGHUP, GUC_SUPERUSER_ONLY,
							   check_redis_url, NULL, NULL);

	DefineCustomStringVariable("pg_chat.redis_password_file",
							   "File with the password of the Redis server; empty for none.",
							   "Its first line is the password. Only PostgreSQL may have access to it.",
							   &settings_redis_password_file,
							   "",
							   PGC_SIGHUP, GUC_SUPERUSER_ONLY,
							   NULL, NULL, NULL);

	MarkGUCPrefixReserved("pg_chat");
}
