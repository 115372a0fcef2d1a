/*
 * guc.c
 *	  The extension's settings, pg_chat.*.
 *
 * Each variable belongs to the module that uses it, and is declared in its
 * header. Here the settings are defined, with their descriptions and limits.
 */
#include "postgres.h"

#include "access/parallel.h"
#include "miscadmin.h"
#include "tcop/pquery.h"
#include "utils/guc.h"

#include "access/current_user_name.h"
#include "bgworker/job.h"
#include "changes/redis_key_queue.h"
#include "changes/shmem.h"
#include "common/compat.h"
#include "core/message_check.h"
#include "elasticsearch/es_client.h"
#include "elasticsearch/es_index_requests.h"
#include "guc.h"
#include "redis/redis_connection.h"
#include "redis/redis_url.h"
#include "rows/known_tables.h"
#include "search/search_candidates.h"

/*
 * Whether PostgreSQL keeps a URL with a password secret. It logs the new value
 * of a setting that a reload changes, but not a value set at the start, nor one
 * that a reload leaves as it is; parallel workers are told of that, too. ALTER
 * SYSTEM itself changes nothing. If the library is not preloaded, PostgreSQL
 * does not know everywhere that only superusers may read the setting.
 */
static bool
is_kept_secret(const char *url)
{
	if (process_shared_preload_libraries_in_progress)
		return true;
	return shmem_available() &&
		(InitializingParallelWorker || strcmp(url, guc_redis_url) == 0 ||
		 (ActivePortal != NULL && ActivePortal->commandTag == CMDTAG_ALTER_SYSTEM));
}

/*
 * Check the URL of Redis. No message shows the value, as PostgreSQL's own
 * would: it may have a password.
 */
static bool
check_redis_url(char **value, void **extra, GucSource source)
{
	const char *problem;
	bool		has_password;

	if (**value == '\0')
		return true;
	if (!redis_url_is_valid(*value, &has_password, &problem))
		GUC_check_errdetail("%s", problem);
	else if (!has_password || is_kept_secret(*value))
		return true;
	else
	{
		GUC_check_errdetail("PostgreSQL would show the password that it has.");
		GUC_check_errhint(shmem_available() ?
						  "Restart the server; or put the password into a file, and the file's name into pg_chat.redis_password_file." :
						  "Put pg_chat into shared_preload_libraries and restart the server; or put the password into a file, and the file's name into pg_chat.redis_password_file.");
	}
	GUC_check_errmsg("invalid value for parameter \"%s\"", "pg_chat.redis_url");
	return false;
}

/* Check the URL of Elasticsearch likewise. */
static bool
check_elasticsearch_url(char **value, void **extra, GucSource source)
{
	const char *problem;

	if (**value == '\0' || es_url_is_valid(*value, &problem))
		return true;
	GUC_check_errmsg("invalid value for parameter \"%s\"", "pg_chat.elasticsearch_url");
	GUC_check_errdetail("%s", problem);
	return false;
}

/*
 * Define all settings. Called once, when the library is loaded.
 */
void
guc_init(void)
{
	DefineCustomIntVariable("pg_chat.max_body_size",
							"The longest body of a message.",
							NULL,
							&guc_max_body_size,
							64 * 1024, 1, 16 * 1024 * 1024,
							PGC_SUSET, GUC_UNIT_BYTE,
							NULL, NULL, NULL);

	DefineCustomIntVariable("pg_chat.max_metadata_size",
							"The longest metadata of a message, as text.",
							NULL,
							&guc_max_metadata_size,
							16 * 1024, 2, 16 * 1024 * 1024,
							PGC_SUSET, GUC_UNIT_BYTE,
							NULL, NULL, NULL);

	DefineCustomIntVariable("pg_chat.reconcile_interval",
							"Time between two runs of the worker that repair counts.",
							NULL,
							&guc_reconcile_interval,
							60, 1, 3600,
							PGC_SIGHUP, GUC_UNIT_S,
							NULL, NULL, NULL);

	DefineCustomIntVariable("pg_chat.scrub_interval",
							"Time within which the worker counts everything once.",
							NULL,
							&guc_scrub_interval,
							24 * 60 * 60, 60, 30 * 24 * 60 * 60,
							PGC_SIGHUP, GUC_UNIT_S,
							NULL, NULL, NULL);

	DefineCustomStringVariable("pg_chat.redis_url",
							   "Redis server that counters are mirrored to; empty for none.",
							   "redis://[user[:password]@]host[:port][/database], rediss:// for TLS, or unix://[user[:password]@]path[?db=database].",
							   &guc_redis_url,
							   "",
							   PGC_SIGHUP, GUC_SUPERUSER_ONLY,
							   check_redis_url, NULL, NULL);

	DefineCustomStringVariable("pg_chat.redis_password_file",
							   "File with the password of the Redis server; empty for none.",
							   "Its first line is the password. Only PostgreSQL may have access to it.",
							   &guc_redis_password_file,
							   "",
							   PGC_SIGHUP, GUC_SUPERUSER_ONLY,
							   NULL, NULL, NULL);

	DefineCustomStringVariable("pg_chat.elasticsearch_url",
							   "Elasticsearch or OpenSearch server that serves searches; empty for none.",
							   "http:// or https://, host[:port][/path].",
							   &guc_elasticsearch_url,
							   "",
							   PGC_SIGHUP, GUC_SUPERUSER_ONLY,
							   check_elasticsearch_url, NULL, NULL);

	DefineCustomStringVariable("pg_chat.elasticsearch_user",
							   "User to log in to Elasticsearch as; empty for none.",
							   NULL,
							   &guc_elasticsearch_user,
							   "",
							   PGC_SIGHUP, GUC_SUPERUSER_ONLY,
							   NULL, NULL, NULL);

	DefineCustomStringVariable("pg_chat.elasticsearch_password_file",
							   "File with the password of the Elasticsearch user; empty for none.",
							   "Its first line is the password. Only PostgreSQL may have access to it.",
							   &guc_elasticsearch_password_file,
							   "",
							   PGC_SIGHUP, GUC_SUPERUSER_ONLY,
							   NULL, NULL, NULL);

	DefineCustomStringVariable("pg_chat.elasticsearch_api_key_file",
							   "File with the API key to log in to Elasticsearch with, instead of a user; empty for none.",
							   "Its first line is the key as Elasticsearch encodes it. Only PostgreSQL may have access to it.",
							   &guc_elasticsearch_api_key_file,
							   "",
							   PGC_SIGHUP, GUC_SUPERUSER_ONLY,
							   NULL, NULL, NULL);

	DefineCustomStringVariable("pg_chat.elasticsearch_ca_file",
							   "File with the certificates of authorities that Elasticsearch's certificate may be from; empty for the system's.",
							   NULL,
							   &guc_elasticsearch_ca_file,
							   "",
							   PGC_SIGHUP, GUC_SUPERUSER_ONLY,
							   NULL, NULL, NULL);

	DefineCustomIntVariable("pg_chat.elasticsearch_shards",
							"Shards of an index in Elasticsearch that is built from now on.",
							NULL,
							&guc_elasticsearch_shards,
							1, 1, 1024,
							PGC_SIGHUP, GUC_SUPERUSER_ONLY,
							NULL, NULL, NULL);

	DefineCustomIntVariable("pg_chat.search_timeout",
							"How long a search waits for Elasticsearch, before PostgreSQL answers alone.",
							NULL,
							&guc_search_timeout,
							500, 10, 60 * 1000,
							PGC_SUSET, GUC_UNIT_MS,
							NULL, NULL, NULL);

	DefineCustomBoolVariable("pg_chat.direct_rows",
							 "Whether messages and chats are created, and messages read as JSON, without statements where the tables allow it.",
							 "For developers, and for modules that have to see every statement. chat.write_paths() shows where the tables allow it.",
							 &guc_direct_rows,
							 true,
							 PGC_SUSET, GUC_NOT_IN_SAMPLE,
							 NULL, NULL, NULL);

	DefineCustomStringVariable("pg_chat.user_name",
							   "The application's user that the session works for; empty for none.",
							   "For row-level policies, which see it by chat.current_user_name(). Anybody may set it.",
							   &guc_user_name,
							   "",
							   PGC_USERSET, GUC_NOT_IN_SAMPLE,
							   NULL, NULL, NULL);

	MarkGUCPrefixReserved("pg_chat");
}
