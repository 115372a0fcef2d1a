/*
 * es_client.c
 *	  Requests to Elasticsearch, and its answers.
 *
 * Nothing that the server sends is trusted, or raises an error by itself. An
 * answer that is wrong or missing gives a problem, a text for people. It shows
 * no password and no key, and nothing of a message's body, which Elasticsearch
 * may quote.
 */
#include "postgres.h"

#include <curl/curl.h>

#include "miscadmin.h"
#include "postmaster/interrupt.h"

#include "bgworker/worker.h"
#include "common/http_client.h"
#include "common/json_read.h"
#include "common/secret_file.h"
#include "elasticsearch/es_client.h"

/* The largest answer that is accepted, in bytes; json_parse_object() limits its values. */
#define ANSWER_MAX (16 * 1024 * 1024)

/* The most bytes that are shown of a server's reason. */
#define REASON_MAX 300

/* The time between two checks of a wait for a reload, or for other jobs. */
#define LOOK_MS 100

/*
 * Whether requests can be made to the URL; if not, sets *problem, which shows
 * nothing of the URL: it may have a password.
 */
bool
es_url_is_valid(const char *url, const char **problem)
{
	CURLU	   *parts;
	char	   *host = NULL;

	*problem = NULL;
	for (const char *byte = url; *byte; byte++)
		if (*byte <= ' ' || *byte > '~')
			*problem = "The URL must be of printable ASCII characters, without blanks.";
	if (strchr(url, '@') != NULL)
		*problem = "A user and a password must not stand in the URL: see pg_chat.elasticsearch_user.";
	else if (strpbrk(url, "?#") != NULL)
		*problem = "The URL must end with the path.";
	else if (pg_strncasecmp(url, "http://", 7) != 0 && pg_strncasecmp(url, "https://", 8) != 0)
		*problem = "The URL must begin with http:// or https://.";
	if (*problem != NULL)
		return false;

	parts = curl_url();
	if (parts == NULL ||
		curl_url_set(parts, CURLUPART_URL, url, 0) != CURLUE_OK ||
		curl_url_get(parts, CURLUPART_HOST, &host, 0) != CURLUE_OK ||
		*host == '\0' || strchr(host, '%') != NULL)
		*problem = "The host or the port is missing or malformed.";
	curl_free(host);
	curl_url_cleanup(parts);
	return *problem == NULL;
}

/* Whether Elasticsearch is to be used. */
bool
es_wanted(void)
{
	return *guc_elasticsearch_url != '\0';
}

/*
 * Take the error that was raised: its message, in the memory context caller.
 * Raises it again unless it is about data, a file, or the right to read it: what
 * cannot be converted to the database's encoding is a feature not supported.
 */
char	   *guc_elasticsearch_url;
char	   *guc_elasticsearch_user;
char	   *guc_elasticsearch_password_file;
char	   *guc_elasticsearch_api_key_file;
char	   *guc_elasticsearch_ca_file;

static char *
take_error(MemoryContext caller)
{
	ErrorData  *error;

	MemoryContextSwitchTo(caller);
	error = CopyErrorData();
	switch (ERRCODE_TO_CATEGORY(error->sqlerrcode))
	{
		case ERRCODE_FEATURE_NOT_SUPPORTED:
		case ERRCODE_DATA_EXCEPTION:
		case ERRCODE_SYNTAX_ERROR_OR_ACCESS_RULE_VIOLATION:
		case ERRCODE_PROGRAM_LIMIT_EXCEEDED:
		case ERRCODE_SYSTEM_ERROR:
			FlushErrorState();
			return error->message;
		default:
			PG_RE_THROW();
	}
}

/*
 * Read the secret of a setting. Returns NULL and sets *problem if that fails.
 */
static char *
read_secret(const char *setting, const char *path, const char **problem)
{
	MemoryContext caller = CurrentMemoryContext;
	char	   *volatile secret = NULL;

	PG_TRY();
	{
		secret = secret_file_read(setting, path);
	}
	PG_CATCH();
	{
		*problem = take_error(caller);
	}
	PG_END_TRY();
	return secret;
}

/* Set the credentials of a target. Returns NULL, or a problem with them. */
static const char *
set_login(HttpTarget *target)
{
	bool		has_user = *guc_elasticsearch_user != '\0';
	bool		has_password = *guc_elasticsearch_password_file != '\0';
	const char *problem = NULL;
	char	   *key;

	if (has_user != has_password)
		return "of pg_chat.elasticsearch_user and pg_chat.elasticsearch_password_file only one is set";
	if (has_user && *guc_elasticsearch_api_key_file != '\0')
		return "both pg_chat.elasticsearch_user and pg_chat.elasticsearch_api_key_file are set";
	if (has_user)
	{
		target->user = guc_elasticsearch_user;
		target->password = read_secret("pg_chat.elasticsearch_password_file",
									   guc_elasticsearch_password_file, &problem);
	}
	else if (*guc_elasticsearch_api_key_file != '\0')
	{
		key = read_secret("pg_chat.elasticsearch_api_key_file",
						  guc_elasticsearch_api_key_file, &problem);
		if (key != NULL)
		{
			target->authorization = psprintf("Authorization: ApiKey %s", key);
			secret_file_free(key);
		}
	}
	return problem;
}

/*
 * Set the target by the settings, in the current memory context. Returns NULL,
 * or a problem with them.
 */
static const char *
set_target(HttpTarget *target)
{
	CURLU	   *parts = curl_url();
	char	   *host = NULL;
	char	   *port = NULL;
	bool		valid;
	int			length = strlen(guc_elasticsearch_url);

	valid = parts != NULL &&
		curl_url_set(parts, CURLUPART_URL, guc_elasticsearch_url, 0) == CURLUE_OK &&
		curl_url_get(parts, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
		curl_url_get(parts, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK;
	if (valid)
	{
		while (guc_elasticsearch_url[length - 1] == '/')
			length--;
		*target = (HttpTarget) {
			.base_url = pnstrdup(guc_elasticsearch_url, length),
			.host = pstrdup(host),
			.port = atoi(port)
		};
		if (*guc_elasticsearch_ca_file != '\0')
			target->ca_file = guc_elasticsearch_ca_file;
	}
	curl_free(host);
	curl_free(port);
	curl_url_cleanup(parts);
	return valid ? set_login(target) : "pg_chat.elasticsearch_url is not set";
}

/*
 * Begin a request: see http_begin(). Invalid settings are an error of the
 * request. The body for a path with /_bulk consists of lines of JSON.
 */
HttpRequest *
es_begin(const char *method, const char *path, StringInfo body, long timeout_ms)
{
	HttpTarget	target = {0};
	const char *problem = set_target(&target);
	HttpRequest *request;

	if (problem != NULL)
		request = http_refuse(body, problem);
	else
		request = http_begin(&target, method, path, body,
							 strstr(path, "/_bulk") != NULL ? "application/x-ndjson" : "application/json",
							 timeout_ms, ANSWER_MAX);
	if (target.password != NULL)
		secret_file_free(target.password);
	if (target.authorization != NULL)
		secret_file_free(target.authorization);
	return request;
}

/*
 * Make a text of the server fit for a message, in place: printable ASCII only,
 * so that it does not control a terminal, and of limited length.
 */
static char *
tidy(char *text)
{
	/* Words that precede a quoted part of a document or a request. */
	static const char *const quotes[] = {
		"Preview of field's value", "[Source: ", "The prefix of the first immense term"
	};

	for (int i = 0; i < lengthof(quotes); i++)
	{
		char	   *quote = strstr(text, quotes[i]);

		if (quote != NULL)
			*quote = '\0';
	}
	text[strnlen(text, REASON_MAX)] = '\0';
	for (char *byte = text; *byte; byte++)
		if (*byte < ' ' || *byte > '~')
			*byte = IS_HIGHBIT_SET(*byte) ? '?' : ' ';
	for (int length = strlen(text); length > 0 && text[length - 1] == ' '; length--)
		text[length - 1] = '\0';
	return text;
}

/*
 * The text of an "error" of Elasticsearch, "type: reason", in the current
 * memory context. It has nothing of a document.
 */
char *
es_reason(const JsonbValue *error)
{
	const JsonbContainer *members = json_container(error);
	char	   *type = json_string(json_member(members, "type"));
	char	   *reason = json_string(members != NULL ? json_member(members, "reason") : error);

	if (type != NULL && reason != NULL)
		return tidy(psprintf("%s: %s", type, reason));
	if (type != NULL || reason != NULL)
		return tidy(type != NULL ? type : reason);
	return pstrdup("it gave no reason");
}

/*
 * The answer to a request that is done, in the current memory context. Returns
 * NULL and sets *problem, likewise, if there is no answer, if it reports a
 * failure, or if it is not a JSON object within the limits.
 */
Jsonb *
es_json(const HttpRequest *request, const char **problem)
{
	const char *malformed;
	Jsonb	   *answer;

	*problem = NULL;
	if (request->error != NULL)
	{
		*problem = psprintf("Elasticsearch: %s", tidy(pstrdup(request->error)));
		return NULL;
	}

	answer = json_parse_object(request->answer.data, request->answer.len, &malformed);
	if (request->status < 200 || request->status > 299)
	{
		JsonbValue *error = answer != NULL ? json_member(&answer->root, "error") : NULL;

		*problem = error == NULL ? psprintf("Elasticsearch answered %d", request->status) :
			psprintf("Elasticsearch answered %d: %s", request->status, es_reason(error));
		return NULL;
	}
	if (answer == NULL)
		*problem = psprintf("Elasticsearch's answer %s", malformed);
	return answer;
}

/*
 * Wait until a request is done. In the worker, other jobs run in between. A
 * reload of the settings ends the wait with an error, since Elasticsearch may
 * no longer be wanted.
 */
static void
wait_until_done(const HttpRequest *request)
{
	/* Most answers arrive at once. */
	if (!request->done)
		http_wait(LOOK_MS);
	while (!request->done)
	{
		if (MyBackendType == B_BG_WORKER && ConfigReloadPending)
			ereport(ERROR,
					(errcode(ERRCODE_OPERATOR_INTERVENTION),
					 errmsg("the settings were reloaded while Elasticsearch was asked")));
		http_wait(worker_do_other_job() ? 0 : LOOK_MS);
	}
}

/* The body of a request, for es_begin() or es_call(). */
StringInfo
es_body(const char *text)
{
	MemoryContext caller = MemoryContextSwitchTo(http_context());
	StringInfo	body = makeStringInfo();

	MemoryContextSwitchTo(caller);
	appendStringInfoString(body, text);
	return body;
}

/* Raise 08006 with a problem: Elasticsearch gave no answer, or a wrong one. */
void
es_raise(const char *problem)
{
	ereport(ERROR,
			(errcode(ERRCODE_CONNECTION_FAILURE),
			 errmsg("%s", problem)));
}

/*
 * In a PG_CATCH block, discard an error that es_raise() raised, and switch to a
 * memory context; *problem becomes its message, there. Raises any other error
 * again. Not in a transaction.
 */
void
es_catch(MemoryContext context, const char **problem)
{
	ErrorData  *error;

	MemoryContextSwitchTo(context);
	error = CopyErrorData();
	if (error->sqlerrcode != ERRCODE_CONNECTION_FAILURE)
		PG_RE_THROW();
	FlushErrorState();
	*problem = error->message;
}

/*
 * Make a request and wait for its answer: see es_begin() and es_json(). *status
 * becomes that of HTTP, 0 if there was no answer. An error, as by an interrupt,
 * ends the request.
 */
Jsonb *
es_call(const char *method, const char *path, StringInfo body, long timeout_ms,
		int *status, const char **problem)
{
	HttpRequest *volatile request = NULL;
	Jsonb	   *volatile answer = NULL;

	PG_TRY();
	{
		request = es_begin(method, path, body, timeout_ms);
		wait_until_done(request);
		answer = es_json(request, problem);
		*status = request->error == NULL ? request->status : 0;
	}
	PG_CATCH();
	{
		if (request != NULL)
			http_end(request);
		PG_RE_THROW();
	}
	PG_END_TRY();
	http_end(request);
	return answer;
}
