/*
 * settings.c
 *	  The extension's settings, pg_chat.*.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/guc.h"

#include "compat.h"
#include "redis.h"
#include "settings.h"
#include "shared.h"

int			settings_max_body_size;
int			settings_reconcile_interval;
int			settings_scrub_interval;
char	   *settings_redis_url;

/*
 * No message shows the value, which PostgreSQL's own would do: there may be a
 * password in it. With one it is refused where the library is not preloaded:
 * there the setting does not exist before a session loads the library, and
 * PostgreSQL shows it to every role.
 */
static bool
check_redis_url(char **value, void **extra, GucSource source)
{
	bool		preloaded = process_shared_preload_libraries_in_progress || shared_available();
	const char *problem;

	if (**value == '\0')
		return true;
	if (!redis_url_is_valid(*value, &problem))
	{
		GUC_check_errmsg("invalid value for parameter \"%s\"", "pg_chat.redis_url");
		GUC_check_errdetail("%s", problem);
		return false;
	}
	if (!preloaded && strchr(*value, '@') != NULL)
	{
		GUC_check_errmsg("pg_chat.redis_url must not have a password here");
		GUC_check_errdetail("Every role can read the setting, since pg_chat is not in shared_preload_libraries.");
		GUC_check_errhint("Add pg_chat to shared_preload_libraries and restart, and change the password.");
		return false;
	}
	return true;
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
