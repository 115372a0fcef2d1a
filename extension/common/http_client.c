/*
 * http_client.c
 *	  A client for HTTP and HTTPS.
 *
 * A process may have any number of requests under way. libcurl executes them
 * (http_transfer.c) on the event loop of curl_loop.c, and keeps connections for
 * further requests. Addresses of hosts come from host_address.c.
 */
#include "postgres.h"

#include <curl/curl.h>

#include "utils/memutils.h"

#include "common/curl_loop.h"
#include "common/host_address.h"
#include "common/http_client.h"
#include "common/http_transfer.h"

/* Whether requests were completed since http_wait() last returned. */
static bool completed = false;

/* Complete a request: with an error, which lives as long as it, or with NULL. */
static void
complete(HttpTransfer *transfer, const char *error)
{
	transfer->request.error = error;
	transfer->request.done = true;
	completed = true;
	if (error != NULL)
		host_address_forget();
}

/* Complete the request that libcurl reports to be done. */
static void
complete_transfer(CURL *easy, CURLcode code)
{
	HttpTransfer *transfer = http_transfer_of(easy);
	long		status = 0;

	curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
	transfer->request.status = status;
	complete(transfer, http_transfer_error(transfer, code));
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

/* The memory context to allocate the bodies of requests in. */
MemoryContext
http_context(void)
{
	static MemoryContext context = NULL;

	if (context == NULL)
		context = AllocSetContextCreate(TopMemoryContext, "pg_chat HTTP", ALLOCSET_DEFAULT_SIZES);
	return context;
}

/*
 * Begin a request: the method, and the percent-encoded path, which begins with a
 * slash and is appended to the target's base_url. The request is done after
 * timeout_ms at the latest, with an error or with an answer of up to answer_max
 * bytes. The caller then drives it by http_wait(), and must call http_end().
 *
 * The request takes over body (NULL: none), which must be in http_context(); all
 * other arguments are copied. Raises an error only if the process is interrupted
 * while it resolves the host.
 */
HttpRequest *
http_begin(const HttpTarget *target, const char *method, const char *path, StringInfo body,
		   const char *content_type, long timeout_ms, Size answer_max)
{
	int64		begin = curl_loop_now();
	const char *volatile problem = NULL;
	const char *address = NULL;
	HttpTransfer *transfer;

	PG_TRY();
	{
		problem = curl_loop_start(complete_transfer);
		if (problem == NULL)
			problem = host_address_find(target->host, timeout_ms, &address);
	}
	PG_CATCH();
	{
		http_free_body(body);
		PG_RE_THROW();
	}
	PG_END_TRY();
	if (problem != NULL)
		return http_refuse(body, problem);

	transfer = http_transfer_create(http_context(), body, answer_max);
	problem = http_transfer_start(transfer, target, address, method, path, content_type,
								  timeout_ms - (curl_loop_now() - begin));
	if (problem != NULL)
		complete(transfer, problem);
	else
		curl_loop_run();
	return &transfer->request;
}

/*
 * A request that cannot be made: it is done from the beginning, with a copy of
 * error. body is as for http_begin().
 */
HttpRequest *
http_refuse(StringInfo body, const char *error)
{
	HttpTransfer *transfer = http_transfer_create(http_context(), body, 0);

	complete(transfer, MemoryContextStrdup(transfer->context, error));
	return &transfer->request;
}

/*
 * Drive all requests until at least one is completed, or for timeout_ms; 0 does
 * what is possible without waiting. Returns at once if one was completed since
 * the last call.
 */
void
http_wait(long timeout_ms)
{
	int64		end = curl_loop_now() + timeout_ms;

	while (!completed)
	{
		bool		last = curl_loop_now() >= end;

		curl_loop_wait(end);
		if (last)
			break;
	}
	completed = false;
}

/*
 * End a request, whether it is done or not, and free it.
 */
void
http_end(HttpRequest *request)
{
	HttpTransfer *transfer = (HttpTransfer *) request;
	StringInfo	body = transfer->body;

	http_transfer_free(transfer);
	http_free_body(body);
}
