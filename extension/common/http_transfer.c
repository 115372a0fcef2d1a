/*
 * http_transfer.c
 *	  One HTTP request as libcurl executes it: options and answer.
 *
 * Redirects are not followed, no proxy is used, and nothing is read from the
 * environment or a home directory. The server must prove by its certificate that
 * it is the host. An answer is buffered up to a limit, and its headers up to
 * another.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/memutils.h"

#include "common/curl_loop.h"
#include "common/http_transfer.h"

/* Limit on establishing a connection, TLS included. */
#define CONNECT_TIMEOUT_MS 5000

/* How long the parsed contents of a certificates file are kept. */
#define CERTIFICATES_LIFETIME_S 60L

/* Limit on the headers of all answers to a request, in bytes. */
#define HEADERS_MAX (64 * 1024)

/*
 * Callbacks of libcurl. None of them may raise an error, which would jump
 * across libcurl's own functions.
 */

/* Enlarge the buffer of the answer for more bytes. Returns false if out of memory. */
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

/* Count bytes of the answer's headers, whose values are not used. Returns as take_bytes() does. */
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

/* Append bytes to the answer. Returns how many were taken: fewer than count end the request. */
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

/* Append a line to a list of libcurl's. Returns false if out of memory. */
static bool
append_line(struct curl_slist **list, const char *line)
{
	struct curl_slist *longer = curl_slist_append(*list, line);

	if (longer == NULL)
		return false;
	*list = longer;
	return true;
}

/* Set an option of easy, unless setting an earlier one failed, by code. */
#define SET(option, value) \
	do { \
		if (code == CURLE_OK) \
			code = curl_easy_setopt(easy, option, value); \
	} while (0)

/* Set the options that depend on the target. libcurl copies the strings. */
static CURLcode
set_target(HttpTransfer *transfer, const HttpTarget *target, const char *address, const char *path)
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
	if (address != NULL && code == CURLE_OK)
	{
		if (!append_line(&transfer->address,
						 psprintf("%s:%d:[%s]", target->host, target->port, address)))
			return CURLE_OUT_OF_MEMORY;
		SET(CURLOPT_RESOLVE, transfer->address);
	}
	return code;
}

/* Set the options that depend on the method and the body. */
static CURLcode
set_question(HttpTransfer *transfer, const char *method, const char *content_type)
{
	CURL	   *easy = transfer->easy;
	StringInfo	body = transfer->body;
	CURLcode	code = curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);

	if (strcmp(method, "HEAD") == 0)
		SET(CURLOPT_NOBODY, 1L);
	else if (body != NULL || strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0)
	{
		SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) (body != NULL ? body->len : 0));
		SET(CURLOPT_POSTFIELDS, body != NULL ? body->data : "");
	}
	/* A header without a value suppresses the one that libcurl would send. */
	if (!append_line(&transfer->headers, "Expect:") ||
		!append_line(&transfer->headers,
					 psprintf("Content-Type:%s%s", body != NULL ? " " : "",
							  body != NULL ? content_type : "")))
		return CURLE_OUT_OF_MEMORY;
	return code;
}

/* Set the other options: callbacks and limits. */
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

	/* Not every TLS library has this. */
	(void) curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, CERTIFICATES_LIFETIME_S);
	return code;
}

/*
 * A transfer with no options set, in a context of its own below parent. Takes
 * over body (NULL: none). The answer may have up to answer_max bytes.
 */
HttpTransfer *
http_transfer_create(MemoryContext parent, StringInfo body, Size answer_max)
{
	MemoryContext context = AllocSetContextCreate(parent, "pg_chat HTTP request", ALLOCSET_SMALL_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);
	HttpTransfer *transfer = palloc0(sizeof(HttpTransfer));

	transfer->context = context;
	transfer->answer_max = Min(answer_max, MaxAllocSize - 1);
	initStringInfo(&transfer->request.answer);
	transfer->body = body;
	MemoryContextSwitchTo(caller);
	return transfer;
}

/*
 * Set all options and hand the transfer to the event loop: see http_begin() for
 * the arguments. address is the host's numeric address, or NULL if the host is
 * one. Returns NULL, or why it could not be started.
 */
const char *
http_transfer_start(HttpTransfer *transfer, const HttpTarget *target, const char *address,
					const char *method, const char *path, const char *content_type, long timeout_ms)
{
	MemoryContext caller = MemoryContextSwitchTo(transfer->context);
	CURLcode	code = CURLE_OUT_OF_MEMORY;

	transfer->easy = curl_easy_init();
	if (transfer->easy != NULL)
		code = set_target(transfer, target, address, path);
	if (code == CURLE_OK)
		code = set_question(transfer, method, content_type);
	if (code == CURLE_OK && target->authorization != NULL &&
		!append_line(&transfer->headers, target->authorization))
		code = CURLE_OUT_OF_MEMORY;
	if (code == CURLE_OK)
		code = set_transfer(transfer, timeout_ms);
	MemoryContextSwitchTo(caller);
	return code == CURLE_OK ? curl_loop_add(transfer->easy) : curl_easy_strerror(code);
}

/* The transfer that a handle of libcurl belongs to. */
HttpTransfer *
http_transfer_of(CURL *easy)
{
	HttpTransfer *transfer;

	curl_easy_getinfo(easy, CURLINFO_PRIVATE, &transfer);
	return transfer;
}

/*
 * The error message of a transfer that libcurl completed with this code; NULL if
 * it succeeded. Lives as long as the transfer.
 */
const char *
http_transfer_error(const HttpTransfer *transfer, CURLcode code)
{
	if (code == CURLE_OK)
		return NULL;
	if (code == CURLE_OPERATION_TIMEDOUT)
		return "Operation timed out";	/* libcurl's message has times in it */
	if (transfer->refusal[0] != '\0')
		return transfer->refusal;
	if (transfer->message[0] != '\0')
		return transfer->message;
	return curl_easy_strerror(code);
}

/* Free a transfer, but for its body; aborts it if it is under way. */
void
http_transfer_free(HttpTransfer *transfer)
{
	if (transfer->easy != NULL)
		curl_loop_end(transfer->easy, !transfer->request.done);
	curl_slist_free_all(transfer->headers);
	curl_slist_free_all(transfer->address);
	MemoryContextDelete(transfer->context);
}
