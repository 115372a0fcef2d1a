/*
 * es_client.h
 *	  Requests to Elasticsearch, and its answers: see es_client.c.
 */
#ifndef PG_CHAT_ES_CLIENT_H
#define PG_CHAT_ES_CLIENT_H

#include "postgres.h"

/* pg_chat.elasticsearch_url: the Elasticsearch to use; empty: none. */
extern char *guc_elasticsearch_url;

/* pg_chat.elasticsearch_user, _password_file, _api_key_file: the credentials; empty: none. */
extern char *guc_elasticsearch_user;
extern char *guc_elasticsearch_password_file;
extern char *guc_elasticsearch_api_key_file;

/* pg_chat.elasticsearch_ca_file: trusted certificates; empty: the system's. */
extern char *guc_elasticsearch_ca_file;

#include "lib/stringinfo.h"
#include "utils/jsonb.h"

#include "common/http_client.h"

/*
 * The time that Elasticsearch has for an answer: to batches and the like, and
 * to a request that the job which keeps indexes in sync waits for, during which
 * the batches under way wait, too.
 */
#define ES_TIMEOUT_MS 30000
#define ES_WORKER_WAIT_MS 5000

extern bool es_url_is_valid(const char *url, const char **problem);
extern bool es_wanted(void);

/* The body of a request is allocated in http_context(), taken over, and freed by http_end(). */
extern HttpRequest *es_begin(const char *method, const char *path, StringInfo body, long timeout_ms);
extern StringInfo es_body(const char *text);
extern void es_raise(const char *problem) __attribute__((noreturn));
extern void es_catch(MemoryContext context, const char **problem);
extern Jsonb *es_json(const HttpRequest *request, const char **problem);
extern Jsonb *es_call(const char *method, const char *path, StringInfo body,
					  long timeout_ms, int *status, const char **problem);
extern char *es_reason(const JsonbValue *error);

#endif							/* PG_CHAT_ES_CLIENT_H */
