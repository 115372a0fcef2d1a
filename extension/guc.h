/*
 * guc.h
 *	  The extension's settings, pg_chat.*: see guc.c.
 */
#ifndef PG_CHAT_GUC_H
#define PG_CHAT_GUC_H

/* pg_chat.max_body_size: the longest body of a message, in bytes. */
extern int	guc_max_body_size;

/* pg_chat.reconcile_interval: between two passes of reconciliation, in seconds. */
extern int	guc_reconcile_interval;

/* pg_chat.scrub_interval: within which everything is counted once, in seconds. */
extern int	guc_scrub_interval;

/* pg_chat.redis_url: where counters are mirrored to; empty: nowhere. */
extern char *guc_redis_url;

/* pg_chat.redis_password_file: has the password; empty: there is none. */
extern char *guc_redis_password_file;

/* pg_chat.elasticsearch_url: where searches are sent; empty: nowhere. */
extern char *guc_elasticsearch_url;

/* pg_chat.elasticsearch_user, _password_file, _api_key_file: to log in with; empty: none. */
extern char *guc_elasticsearch_user;
extern char *guc_elasticsearch_password_file;
extern char *guc_elasticsearch_api_key_file;

/* pg_chat.elasticsearch_ca_file: whose certificates are trusted; empty: the system's choice. */
extern char *guc_elasticsearch_ca_file;

/* pg_chat.elasticsearch_shards: of an index that is built from now on. */
extern int	guc_elasticsearch_shards;

/* pg_chat.search_timeout: how long a search waits for Elasticsearch, in milliseconds. */
extern int	guc_search_timeout;

/* pg_chat.direct_rows: whether rows may be accessed without statements. */
extern bool guc_direct_rows;

extern void guc_init(void);

#endif							/* PG_CHAT_GUC_H */
