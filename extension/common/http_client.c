/*
 * http_client.c
 *	  A client for HTTP and HTTPS.
 *
 * A process has any number of requests under way at a time. libcurl does the
 * protocol, on the event loop of curl_loop.c. Connections are kept, and used
 * again. The addresses of hosts are found by dns_resolve.c, since libcurl has a
 * thread for that which the end of the process would wait for.
 *
 * Redirects are not followed, no proxy is used, nothing is read from the
 * environment or a home directory. A server has to prove by its certificate
 * that it is the host.
 */
#include "postgres.h"

#include <arpa/inet.h>
#include <curl/curl.h>

#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "common/curl_loop.h"
#include "common/dns_resolve.h"
#include "common/http_client.h"

/* How long making a connection may take, and finding the host's address. */
#define CONNECT_TIMEOUT_MS 5000
#define RESOLVE_TIMEOUT_MS 800

/* How long an address, and what a file of certificates holds, are kept. */
#define ADDRESS_LIFETIME_MS 60000
#define CERTIFICATES_LIFETIME_S 60L

/* Bytes of an answer's headers that are taken. */
#define HEADERS_MAX (64 * 1024)

/* A request, and what it takes. All of it is in its context, but for libcurl's. */
typedef struct HttpTransfer
{
	HttpRequest request;		/* must be the first */
	MemoryContext context;
	CURL	   *easy;
	struct curl_slist *headers;
	struct curl_slist *address;
	StringInfo	body;			/* NULL: none */
	Size		answer_max;
	Size		header_bytes;	/* that arrived; also of answers with a status of 1xx, before */
	char		refusal[64];	/* why the answer was not taken; empty: it was */
	char		message[CURL_ERROR_SIZE];
} HttpTransfer;

/* Whether requests got done that http_wait has not told of. */
static bool news = false;

/* The host that was asked last, its address, and how long to believe in it. */
static char known_host[NI_MAXHOST];
static char known_address[NI_MAXHOST];
static int64 known_until = 0;

/*
 * Callbacks of libcurl. None of them may raise an error, which would jump
 * across libcurl's own functions.
 */

/* Make room for more bytes of the answer. Returns false if there is no memory. */
static bool
enlarge_answer(HttpTransfer *transfer, Size more)
{
	StringInfo	answer = &transfer->request.answer;
	Size		needed = answer->len + more + 1;
	Size		size = answer->maxlen;
	char	   *data;

	if (needed <= size)
		return true;
	while (size < needed)
		size *= 2;
	size = Min(size, transfer->answer_max + 1);
	data = MemoryContextAllocExtended(transfer->context, size, MCXT_ALLOC_NO_OOM);
	if (data == NULL)
		return false;
	memcpy(data, answer->data, answer->len);
	pfree(answer->data);
	answer->data = data;
	answer->maxlen = size;
	return true;
}

/* Take bytes of the answer's headers, whose values nobody wants. As take_bytes. */
static size_t
take_header(char *bytes, size_t one, size_t count, void *context)
{
	HttpTransfer *transfer = context;

	if (count > HEADERS_MAX - transfer->header_bytes)
	{
		snprintf(transfer->refusal, sizeof(transfer->refusal),
				 "the headers are larger than %d bytes", HEADERS_MAX);
		return 0;
	}
	transfer->header_bytes += count;
	return count;
}

/* Take bytes of the answer. Taking less than all of them ends the request. */
static size_t
take_bytes(char *bytes, size_t one, size_t count, void *context)
{
	HttpTransfer *transfer = context;
	StringInfo	answer = &transfer->request.answer;

	if (count > transfer->answer_max - answer->len)
		snprintf(transfer->refusal, sizeof(transfer->refusal),
				 "the answer is larger than %zu bytes", transfer->answer_max);
	else if (!enlarge_answer(transfer, count))
		strlcpy(transfer->refusal, "out of memory", sizeof(transfer->refusal));
	if (transfer->refusal[0] != '\0')
		return 0;

	memcpy(answer->data + answer->len, bytes, count);
	answer->len += count;
	answer->data[answer->len] = '\0';
	return count;
}

/* A request is done, with an error or NULL. */
static void
finish(HttpTransfer *transfer, const char *error)
{
	transfer->request.error = error;
	transfer->request.done = true;
	news = true;

	/* The host may have moved. */
	if (error != NULL)
		known_until = 0;
}

/* The same, when libcurl says so. */
static void
finish_transfer(CURL *easy, CURLcode code)
{
	HttpTransfer *transfer;
	long		status = 0;

	curl_easy_getinfo(easy, CURLINFO_PRIVATE, &transfer);
	curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
	transfer->request.status = status;
	if (code == CURLE_OK)
		finish(transfer, NULL);
	else if (code == CURLE_OPERATION_TIMEDOUT)
		finish(transfer, "Operation timed out");	/* libcurl's message has times in it */
	else if (transfer->refusal[0] != '\0')
		finish(transfer, transfer->refusal);
	else if (transfer->message[0] != '\0')
		finish(transfer, transfer->message);
	else
		finish(transfer, curl_easy_strerror(code));
}

/* Whether the host of a URL is an address already. */
static bool
is_address(const char *host)
{
	struct in_addr address;

	return *host == '[' || inet_pton(AF_INET, host, &address) == 1;
}

/*
 * Find the address of a host, and keep it in known_address. Returns NULL, or
 * what went wrong.
 */
static const char *
find_address(const char *host, long timeout_ms)
{
	static DnsResolver resolver;
	TimestampTz deadline;
	const char *problem;

	if (strcmp(host, known_host) == 0 && curl_loop_now() < known_until)
		return NULL;
	if (strlen(host) >= sizeof(known_host))
		return "the name of the host is too long";
	known_until = 0;
	deadline = TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
										   Min(timeout_ms, RESOLVE_TIMEOUT_MS));
	problem = dns_resolve_host(&resolver, host, deadline, known_address);
	if (problem != NULL)
		return problem;
	strlcpy(known_host, host, sizeof(known_host));
	known_until = curl_loop_now() + ADDRESS_LIFETIME_MS;
	return NULL;
}

/* Append to a list of libcurl's. Returns false if there is no memory. */
static bool
append_line(struct curl_slist **list, const char *line)
{
	struct curl_slist *longer = curl_slist_append(*list, line);

	if (longer == NULL)
		return false;
	*list = longer;
	return true;
}

/* Set an option of easy, unless code tells that one before could not be set. */
#define SET(option, value) \
	do { \
		if (code == CURLE_OK) \
			code = curl_easy_setopt(easy, option, value); \
	} while (0)

/* Set all that depends on the target. libcurl copies it. */
static CURLcode
set_target(HttpTransfer *transfer, const HttpTarget *target, const char *path)
{
	CURL	   *easy = transfer->easy;
	CURLcode	code = curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");

	SET(CURLOPT_URL, psprintf("%s%s", target->base_url, path));
	SET(CURLOPT_PATH_AS_IS, 1L);
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_PROXY, "");
	SET(CURLOPT_SSL_VERIFYPEER, 1L);
	SET(CURLOPT_SSL_VERIFYHOST, 2L);
	SET(CURLOPT_SSLVERSION, (long) CURL_SSLVERSION_TLSv1_2);
	if (target->ca_file != NULL)
	{
		SET(CURLOPT_CAINFO, target->ca_file);
		SET(CURLOPT_CAPATH, NULL);
	}
	if (target->user != NULL)
	{
		SET(CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
		SET(CURLOPT_USERNAME, target->user);
		SET(CURLOPT_PASSWORD, target->password);
	}
	if (!is_address(target->host) && code == CURLE_OK)
	{
		if (!append_line(&transfer->address,
						 psprintf("%s:%d:[%s]", target->host, target->port, known_address)))
			return CURLE_OUT_OF_MEMORY;
		SET(CURLOPT_RESOLVE, transfer->address);
	}
	return code;
}

/* Set all that depends on what is asked. */
static CURLcode
set_question(HttpTransfer *transfer, const char *method, StringInfo body, const char *content_type)
{
	CURL	   *easy = transfer->easy;
	CURLcode	code = curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);

	if (strcmp(method, "HEAD") == 0)
		SET(CURLOPT_NOBODY, 1L);
	else if (body != NULL || strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0)
	{
		SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) (body != NULL ? body->len : 0));
		SET(CURLOPT_POSTFIELDS, body != NULL ? body->data : "");
	}
	/* Headers without a value are those that libcurl would send by itself. */
	if (!append_line(&transfer->headers, "Expect:") ||
		!append_line(&transfer->headers,
					 psprintf("Content-Type:%s%s", body != NULL ? " " : "",
							  body != NULL ? content_type : "")))
		return CURLE_OUT_OF_MEMORY;
	return code;
}

/* Set the rest. */
static CURLcode
set_transfer(HttpTransfer *transfer, long timeout_ms)
{
	CURL	   *easy = transfer->easy;
	CURLcode	code = curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);

	SET(CURLOPT_ERRORBUFFER, transfer->message);
	SET(CURLOPT_HTTPHEADER, transfer->headers);
	SET(CURLOPT_HTTP_VERSION, (long) CURL_HTTP_VERSION_1_1);
	SET(CURLOPT_WRITEFUNCTION, take_bytes);
	SET(CURLOPT_WRITEDATA, transfer);
	SET(CURLOPT_HEADERFUNCTION, take_header);
	SET(CURLOPT_HEADERDATA, transfer);
	SET(CURLOPT_TCP_NODELAY, 1L);
	SET(CURLOPT_TCP_KEEPALIVE, 1L);
	SET(CURLOPT_TIMEOUT_MS, Max(timeout_ms, 1));
	SET(CURLOPT_CONNECTTIMEOUT_MS, (long) CONNECT_TIMEOUT_MS);

	/* Not with every library for TLS. */
	(void) curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, CERTIFICATES_LIFETIME_S);
	return code;
}

/* Hand a request to libcurl. Returns NULL, or what went wrong. */
static const char *
send_request(HttpTransfer *transfer, const HttpTarget *target, const char *method,
			 const char *path, StringInfo body, const char *content_type, long timeout_ms)
{
	CURLcode	code;

	transfer->easy = curl_easy_init();
	if (transfer->easy == NULL)
		return "out of memory";
	code = set_target(transfer, target, path);
	if (code == CURLE_OK)
		code = set_question(transfer, method, body, content_type);
	if (code == CURLE_OK && target->authorization != NULL &&
		!append_line(&transfer->headers, target->authorization))
		code = CURLE_OUT_OF_MEMORY;
	if (code == CURLE_OK)
		code = set_transfer(transfer, timeout_ms);
	if (code != CURLE_OK)
		return curl_easy_strerror(code);

	return curl_loop_add(transfer->easy);
}

/* Free a body that was not handed over, or NULL. */
void
http_free_body(StringInfo body)
{
	if (body == NULL)
		return;
	pfree(body->data);
	pfree(body);
}

/* A request that owns a body, or NULL. */
static HttpTransfer *
new_transfer(StringInfo body, Size answer_max)
{
	MemoryContext context = AllocSetContextCreate(http_context(), "pg_chat HTTP request",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);
	HttpTransfer *transfer = palloc0(sizeof(HttpTransfer));

	transfer->context = context;
	transfer->answer_max = Min(answer_max, MaxAllocSize - 1);
	initStringInfo(&transfer->request.answer);
	transfer->body = body;
	MemoryContextSwitchTo(caller);
	return transfer;
}

/* Where the bodies of requests are to be allocated. */
MemoryContext
http_context(void)
{
	static MemoryContext context = NULL;

	if (context == NULL)
		context = AllocSetContextCreate(TopMemoryContext, "pg_chat HTTP", ALLOCSET_DEFAULT_SIZES);
	return context;
}

/*
 * Begin a request: method of path, which begins with a slash and is encoded. It
 * is done after timeout_ms at the latest, with an error or with an answer of
 * answer_max bytes or less. http_wait gets it done, and http_end must follow.
 *
 * The data of body (NULL: none), which must be in http_context, belongs to the
 * request from now on, whatever becomes of it. Nothing else has to stay. Raises
 * an error only if it is interrupted while it finds the host's address.
 */
HttpRequest *
http_begin(const HttpTarget *target, const char *method, const char *path, StringInfo body,
		   const char *content_type, long timeout_ms, Size answer_max)
{
	int64		begin = curl_loop_now();
	const char *volatile problem = NULL;
	HttpTransfer *transfer;
	MemoryContext caller;

	PG_TRY();
	{
		problem = curl_loop_start(finish_transfer);
		if (problem == NULL && !is_address(target->host))
			problem = find_address(target->host, timeout_ms);
	}
	PG_CATCH();
	{
		http_free_body(body);
		PG_RE_THROW();
	}
	PG_END_TRY();
	if (problem != NULL)
		return http_refuse(body, problem);

	transfer = new_transfer(body, answer_max);
	caller = MemoryContextSwitchTo(transfer->context);
	problem = send_request(transfer, target, method, path, body, content_type,
						   timeout_ms - (curl_loop_now() - begin));
	MemoryContextSwitchTo(caller);
	if (problem != NULL)
		finish(transfer, problem);
	else
		curl_loop_run();
	return &transfer->request;
}

/*
 * A request that cannot be made, and is done with an error from the beginning.
 * Body is as for http_begin.
 */
HttpRequest *
http_refuse(StringInfo body, const char *error)
{
	HttpTransfer *transfer = new_transfer(body, 0);

	finish(transfer, MemoryContextStrdup(transfer->context, error));
	return &transfer->request;
}

/*
 * Go on with all requests, until one or more got done since the last call, or
 * for timeout_ms; 0 does what can be done at once.
 */
void
http_wait(long timeout_ms)
{
	int64		end = curl_loop_now() + timeout_ms;

	while (!news)
	{
		bool		last = curl_loop_now() >= end;

		curl_loop_wait(end);
		if (last)
			break;
	}
	news = false;
}

/*
 * End a request, whether it is done or not, and free it.
 */
void
http_end(HttpRequest *request)
{
	HttpTransfer *transfer = (HttpTransfer *) request;

	if (transfer->easy != NULL)
		curl_loop_end(transfer->easy, !request->done);
	curl_slist_free_all(transfer->headers);
	curl_slist_free_all(transfer->address);
	http_free_body(transfer->body);
	MemoryContextDelete(transfer->context);
}
