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

static bool
check_redis_url(char **value, void **extra, GucSource source)
{
	const char *problem;

	if (**value == '\0' || redis_url_is_valid(*value, &problem))
		return true;
	/* PostgreSQL's own message would show the value, and the password in it. */
	GUC_check_errmsg("invalid value for parameter \"%s\"", "pg_chat.redis_url");
	GUC_check_errdetail("%s", problem);
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
							   "redis://[user:password@]host[:port][/database], or unix://[user:password@]path[?db=database].",
							   &settings_redis_url,
							   "",
							   PGC_SIGHUP, GUC_SUPERUSER_ONLY,
							   check_redis_url, NULL, NULL);

	MarkGUCPrefixReserved("pg_chat");
}
