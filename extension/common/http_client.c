/*
 * http_client.c
 *	  A client for HTTP and HTTPS.
 *
 * A process has any number of requests under way at a time; libcurl does the
 * protocol. It says which sockets to watch, and they are put into one epoll
 * descriptor, which the process waits for together with its latch. So nothing
 * blocks, and every wait ends when the process is told to do something else.
 * Connections are kept, and used again.
 *
 * No signal is handled while libcurl runs: so what it calls is never left in
 * the middle, and should a library start a thread, it does not take PostgreSQL's
 * signals. The addresses of hosts are found by dns_resolve.c, since libcurl has a
 * thread for that which the end of the process would wait for.
 *
 * Redirects are not followed, no proxy is used, nothing is read from the
 * environment or a home directory. A server has to prove by its certificate
 * that it is the host.
 */
#include "postgres.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "portability/instr_time.h"
#include "storage/fd.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "common/dns_resolve.h"
#include "common/http_client.h"
#include "common/latch_wait.h"

/* How long making a connection may take, and finding the host's address. */
#define CONNECT_TIMEOUT_MS 5000
#define RESOLVE_TIMEOUT_MS 2000

/* How long an address, and what a file of certificates holds, are kept. */
#define ADDRESS_LIFETIME_MS 60000
#define CERTIFICATES_LIFETIME_S 60L

/* Connections that are kept while nothing uses them. */
#define CONNECTIONS_MAX 8L

/* Sockets looked at in one go. */
#define SOCKETS_MAX 16

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
	char		refusal[64];	/* why the answer was not taken; empty: it was */
	char		message[CURL_ERROR_SIZE];
} HttpTransfer;

/* libcurl's, and the descriptor; there from the first request on. */
static CURLM *multi = NULL;
static int	poll_fd = -1;

/* When libcurl wants to be called, whatever the sockets do; -1: never. */
static int64 timer_at = -1;

/* Whether requests got done that http_wait has not told of. */
static bool news = false;

/* The host that was asked last, its address, and how long to believe in it. */
static char known_host[NI_MAXHOST];
static char known_address[NI_MAXHOST];
static int64 known_until = 0;

/* A clock that nobody sets, in milliseconds. */
static int64
now_ms(void)
{
	instr_time	now;

	INSTR_TIME_SET_CURRENT(now);
	return (int64) INSTR_TIME_GET_MILLISEC(now);
}

/* Around what calls libcurl: see above. */
static void
block_signals(sigset_t *before)
{
	sigset_t	all;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, before);
}

static void
unblock_signals(const sigset_t *before)
{
	pthread_sigmask(SIG_SETMASK, before, NULL);
}

/*
 * What libcurl calls. None of it may raise an error, which would jump across
 * libcurl's own functions.
 */

/* Watch a socket, or no more. If it cannot be watched, the request times out. */
static int
watch_socket(CURL *easy, curl_socket_t socket, int what, void *context, void *socket_context)
{
	struct epoll_event event = {.data.fd = socket};

	if (what == CURL_POLL_REMOVE)
	{
		(void) epoll_ctl(poll_fd, EPOLL_CTL_DEL, socket, &event);
		return 0;
	}
	if (what & CURL_POLL_IN)
		event.events |= EPOLLIN;
	if (what & CURL_POLL_OUT)
		event.events |= EPOLLOUT;
	if (epoll_ctl(poll_fd, EPOLL_CTL_MOD, socket, &event) != 0)
		(void) epoll_ctl(poll_fd, EPOLL_CTL_ADD, socket, &event);
	return 0;
}

static int
set_timer(CURLM *handle, long timeout_ms, void *context)
{
	timer_at = timeout_ms < 0 ? -1 : now_ms() + timeout_ms;
	return 0;
}

/* A socket, which counts as one of the process's open files. */
static curl_socket_t
open_socket(void *context, curlsocktype purpose, struct curl_sockaddr *address)
{
	curl_socket_t result;

	if (!AcquireExternalFD())
		return CURL_SOCKET_BAD;
	result = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
	if (result == CURL_SOCKET_BAD)
		ReleaseExternalFD();
	return result;
}

static int
close_socket(void *context, curl_socket_t socket)
{
	ReleaseExternalFD();
	return close(socket);
}

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

/*
 * Get libcurl ready. Returns NULL, or what went wrong.
 */
static const char *
start_curl(void)
{
	sigset_t	signals;

	if (multi != NULL)
		return NULL;
	if (poll_fd < 0)
	{
		ReserveExternalFD();
		poll_fd = epoll_create1(EPOLL_CLOEXEC);
		if (poll_fd < 0)
		{
			ReleaseExternalFD();
			return strerror(errno);
		}
	}
	block_signals(&signals);
	if (curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK)
		multi = curl_multi_init();
	unblock_signals(&signals);
	if (multi == NULL)
		return "libcurl could not be started";
	curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
	curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, set_timer);
	curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, CONNECTIONS_MAX);
	return NULL;
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

/* Finish the requests that libcurl says are done. */
static void
finish_done(void)
{
	CURLMsg    *message;
	int			left;

	while ((message = curl_multi_info_read(multi, &left)) != NULL)
	{
		CURL	   *easy = message->easy_handle;
		CURLcode	code = message->data.result;
		HttpTransfer *transfer;
		long		status = 0;

		curl_easy_getinfo(easy, CURLINFO_PRIVATE, &transfer);
		curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
		curl_multi_remove_handle(multi, easy);
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
}

/*
 * Do what can be done without waiting.
 */
static void
run(void)
{
	struct epoll_event events[SOCKETS_MAX];
	int			count;
	int			running;
	sigset_t	signals;

	block_signals(&signals);
	count = epoll_wait(poll_fd, events, SOCKETS_MAX, 0);
	for (int i = 0; i < count; i++)
	{
		int			ready = 0;

		if (events[i].events & EPOLLIN)
			ready |= CURL_CSELECT_IN;
		if (events[i].events & EPOLLOUT)
			ready |= CURL_CSELECT_OUT;
		/* 0, after an error: libcurl finds out itself. */
		curl_multi_socket_action(multi, events[i].data.fd, ready, &running);
	}
	if (timer_at >= 0 && timer_at <= now_ms())
		curl_multi_socket_action(multi, CURL_SOCKET_TIMEOUT, 0, &running);
	finish_done();
	unblock_signals(&signals);
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

	if (strcmp(host, known_host) == 0 && now_ms() < known_until)
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
	known_until = now_ms() + ADDRESS_LIFETIME_MS;
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
	CURLcode	code = curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);

	SET(CURLOPT_PRIVATE, transfer);
	SET(CURLOPT_ERRORBUFFER, transfer->message);
	SET(CURLOPT_HTTPHEADER, transfer->headers);
	SET(CURLOPT_HTTP_VERSION, (long) CURL_HTTP_VERSION_1_1);
	SET(CURLOPT_WRITEFUNCTION, take_bytes);
	SET(CURLOPT_WRITEDATA, transfer);
	SET(CURLOPT_OPENSOCKETFUNCTION, open_socket);
	SET(CURLOPT_CLOSESOCKETFUNCTION, close_socket);
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
	CURLMcode	multi_code;
	sigset_t	signals;

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

	block_signals(&signals);
	multi_code = curl_multi_add_handle(multi, transfer->easy);
	unblock_signals(&signals);
	return multi_code == CURLM_OK ? NULL : curl_multi_strerror(multi_code);
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
	int64		begin = now_ms();
	const char *volatile problem = NULL;
	HttpTransfer *transfer;
	MemoryContext caller;

	PG_TRY();
	{
		problem = start_curl();
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
						   timeout_ms - (now_ms() - begin));
	MemoryContextSwitchTo(caller);
	if (problem != NULL)
		finish(transfer, problem);
	else
		run();
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
	int64		end = now_ms() + timeout_ms;

	while (!news)
	{
		int64		now = now_ms();
		int64		until = timer_at >= 0 ? Min(end, timer_at) : end;

		latch_wait("ChatHttp", poll_fd >= 0 ? WL_SOCKET_READABLE : 0, poll_fd, Max(until - now, 0));
		if (multi != NULL)
			run();
		if (now >= end)
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
	sigset_t	signals;

	block_signals(&signals);
	if (transfer->easy != NULL && !request->done)
		curl_multi_remove_handle(multi, transfer->easy);
	curl_easy_cleanup(transfer->easy);
	curl_slist_free_all(transfer->headers);
	curl_slist_free_all(transfer->address);
	unblock_signals(&signals);

	http_free_body(transfer->body);
	MemoryContextDelete(transfer->context);
}
