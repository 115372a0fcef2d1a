/*
 * es_client.c
 *	  Requests to Elasticsearch, and its answers.
 *
 * Nothing that the server sends is trusted, or raises an error: what is wrong
 * with an answer, or why there is none, is told as a problem, a text for
 * people. It shows no password, no key, and nothing of a message's body, which
 * Elasticsearch may quote.
 */
#include "postgres.h"

#include <curl/curl.h>

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "common/http_client.h"
#include "common/secret_file.h"
#include "elasticsearch/es_client.h"

/* The largest answer that is taken, in bytes. */
#define ANSWER_MAX (16 * 1024 * 1024)

/* How much is shown of what the server says went wrong, in bytes. */
#define REASON_MAX 300

/* How often a wait looks whether there is a reload. */
#define LOOK_MS 100

/*
 * Whether requests can be sent to the URL; if not, *problem says why, without
 * showing any of it: somebody may have put a password there.
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

/* Whether there is an Elasticsearch to use. */
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
 * Read a secret. Returns NULL and sets *problem if it cannot be had.
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

/*
 * Read what to log in with into target. Returns NULL, or what is wrong with it.
 */
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
 * The target that the settings name, in the current memory context. Returns
 * NULL, or what is wrong with them.
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
 * Begin a request: see http_begin. What is wrong with the settings is an error
 * of the request. A path with /_bulk has a body of many lines.
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
 * Parse JSON, which must be an object. Returns NULL if it is not one.
 *
 * Only a database in UTF-8 can take it as it is. In others, what is not ASCII
 * becomes a question mark: it stands in texts for people alone.
 */
static Jsonb *
parse_object(const StringInfoData *source)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext context;
	Jsonb	   *volatile result = NULL;

	if (strlen(source->data) != source->len)
		return NULL;
	if (GetDatabaseEncoding() == PG_UTF8 && !pg_verifymbstr(source->data, source->len, true))
		return NULL;

	context = AllocSetContextCreate(caller, "pg_chat JSON", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		char	   *json = source->data;
		Jsonb	   *parsed;

		if (GetDatabaseEncoding() != PG_UTF8)
		{
			json = pnstrdup(source->data, source->len);
			for (char *byte = json; *byte; byte++)
				if (IS_HIGHBIT_SET(*byte))
					*byte = '?';
		}
		parsed = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(json)));
		if (JB_ROOT_IS_OBJECT(parsed))
		{
			result = MemoryContextAlloc(caller, VARSIZE(parsed));
			memcpy(result, parsed, VARSIZE(parsed));
		}
	}
	PG_CATCH();
	{
		pfree(take_error(caller));
	}
	PG_END_TRY();
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
	return result;
}

/* Make a text from outside fit for a message, in place. */
static char *
tidy(char *text)
{
	/* What stands before a part of a document or of a request that is quoted. */
	static const char *const quotes[] = {
		"Preview of field's value", "[Source: ", "The prefix of the first immense term"
	};

	for (int i = 0; i < lengthof(quotes); i++)
	{
		char	   *quote = strstr(text, quotes[i]);

		if (quote != NULL)
			*quote = '\0';
	}
	text[pg_mbcliplen(text, strlen(text), REASON_MAX)] = '\0';
	for (char *byte = text; *byte; byte++)
		if ((unsigned char) *byte < ' ' || *byte == '\x7f')
			*byte = ' ';
	for (int length = strlen(text); length > 0 && text[length - 1] == ' '; length--)
		text[length - 1] = '\0';
	return text;
}

/*
 * What an "error" of Elasticsearch says, "type: reason", in the current memory
 * context. Nothing of a document is in it.
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
 * The answer of a request that is done, in the current memory context. Returns
 * NULL and sets *problem, likewise, if there is none, if it tells of a failure,
 * or if it is not a whole JSON object.
 */
Jsonb *
es_json(const HttpRequest *request, const char **problem)
{
	Jsonb	   *answer;

	*problem = NULL;
	if (request->error != NULL)
	{
		char	   *error = pstrdup(request->error);

		for (char *byte = error; *byte; byte++)
			if (IS_HIGHBIT_SET(*byte))
				*byte = '?';
		*problem = psprintf("Elasticsearch: %s", tidy(error));
		return NULL;
	}

	answer = parse_object(&request->answer);
	if (request->status < 200 || request->status > 299)
	{
		JsonbValue *error = answer != NULL ? json_member(&answer->root, "error") : NULL;

		*problem = error == NULL ? psprintf("Elasticsearch answered %d", request->status) :
			psprintf("Elasticsearch answered %d: %s", request->status, es_reason(error));
		return NULL;
	}
	if (answer == NULL)
		*problem = pstrdup("Elasticsearch's answer is not JSON");
	return answer;
}

/*
 * Wait until a request is done. In the worker, a reload of the settings ends
 * the wait, with an error: Elasticsearch may not be wanted any more.
 */
static void
wait_until_done(const HttpRequest *request)
{
	while (!request->done)
	{
		http_wait(LOOK_MS);
		if (MyBackendType == B_BG_WORKER && ConfigReloadPending)
			es_raise("the settings were reloaded while Elasticsearch was asked");
	}
}

/* A request's body, for es_begin or es_call. */
StringInfo
es_body(const char *text)
{
	MemoryContext caller = MemoryContextSwitchTo(http_context());
	StringInfo	body = makeStringInfo();

	MemoryContextSwitchTo(caller);
	appendStringInfoString(body, text);
	return body;
}

/* Raise a problem. */
void
es_raise(const char *problem)
{
	ereport(ERROR,
			(errcode(ERRCODE_CONNECTION_FAILURE),
			 errmsg("%s", problem)));
}

/*
 * Make a request and wait for its answer: see es_begin and
 * es_json. *status becomes that of HTTP, 0 if there was no answer.
 * An error, as after an interruption, ends the request.
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

/* The member of an object, or NULL. */
JsonbValue *
json_member(const JsonbContainer *container, const char *key)
{
	if (container == NULL || !JsonContainerIsObject(container))
		return NULL;
	return getKeyJsonValueFromContainer((JsonbContainer *) container, key, strlen(key), NULL);
}

/* Element i of an array, from 0, or NULL. */
JsonbValue *
json_element(const JsonbContainer *container, uint32 i)
{
	if (container == NULL || !JsonContainerIsArray(container))
		return NULL;
	return getIthJsonbValueFromContainer((JsonbContainer *) container, i);
}

/* What an array or an object consists of; NULL if the value is neither. */
const JsonbContainer *
json_container(const JsonbValue *value)
{
	return value != NULL && value->type == jbvBinary ? value->val.binary.data : NULL;
}

/* Set *result to the value. Returns false if it is not an integer that fits. */
bool
json_integer(const JsonbValue *value, int64 *result)
{
	char	   *digits;
	char	   *end;

	if (value == NULL || value->type != jbvNumeric)
		return false;
	digits = DatumGetCString(DirectFunctionCall1(numeric_out,
												 NumericGetDatum(value->val.numeric)));
	errno = 0;
	*result = strtoll(digits, &end, 10);
	if (*end == '.')			/* an aggregation has 1.0 for 1 */
		end += 1 + strspn(end + 1, "0");
	if (errno != 0 || *end != '\0')
		return false;
	pfree(digits);
	return true;
}

bool
json_is_true(const JsonbValue *value)
{
	return value != NULL && value->type == jbvBool && value->val.boolean;
}

/* The value, NUL-terminated, in the current memory context; NULL if it is no string. */
char *
json_string(const JsonbValue *value)
{
	if (value == NULL || value->type != jbvString)
		return NULL;
	return pnstrdup(value->val.string.val, value->val.string.len);
}

/*
 * Append a JSON string, with its quotes, of bytes in UTF-8.
 */
void
json_append_string(StringInfo target, const char *bytes, int length)
{
	static const char digits[] = "0123456789abcdef";
	const char *end = bytes + length;

	enlargeStringInfo(target, length + 2);
	appendStringInfoChar(target, '"');
	while (bytes < end)
	{
		const char *run = bytes;

		while (bytes < end && (unsigned char) *bytes >= ' ' && *bytes != '"' && *bytes != '\\')
			bytes++;
		appendBinaryStringInfo(target, run, bytes - run);
		if (bytes == end)
			break;
		if ((unsigned char) *bytes >= ' ')
			appendBinaryStringInfo(target, (char[]) {'\\', *bytes}, 2);
		else
			appendBinaryStringInfo(target, (char[]) {
				'\\', 'u', '0', '0', digits[*bytes >> 4], digits[*bytes & 15]
			}, 6);
		bytes++;
	}
	appendStringInfoChar(target, '"');
}
