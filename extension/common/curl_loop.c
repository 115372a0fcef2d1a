/*
 * curl_loop.c
 *	  The event loop under libcurl.
 *
 * libcurl says which sockets to watch. They are put into one epoll descriptor,
 * which the process waits for together with its latch. So nothing blocks, and
 * every wait can be interrupted.
 *
 * No signal is handled while libcurl runs: so libcurl is never interrupted in
 * the middle, and a thread that a library may start does not receive
 * PostgreSQL's signals. Callbacks of libcurl raise no error, which would jump
 * across its functions.
 */
#include "postgres.h"

#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "portability/instr_time.h"
#include "storage/fd.h"

#include "common/curl_loop.h"
#include "common/latch_wait.h"

/* The most idle connections that are kept. */
#define CONNECTIONS_MAX 8L

/* The most sockets that are processed at a time. */
#define SOCKETS_MAX 16

/* libcurl's handle, and the epoll descriptor; they exist from the first request on. */
static CURLM *multi = NULL;
static int	poll_fd = -1;
static CurlLoopDone report_done = NULL;

/* When libcurl wants to be called regardless of the sockets, by curl_loop_now(); -1: never. */
static int64 timer_at = -1;

/* The time in milliseconds, on a clock that cannot be set. */
int64
curl_loop_now(void)
{
	instr_time	now;

	INSTR_TIME_SET_CURRENT(now);
	return (int64) INSTR_TIME_GET_MILLISEC(now);
}

/* Block all signals while libcurl runs: see above. *before becomes the mask to restore. */
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
 * libcurl's callback: watch a socket, or no longer. If it cannot be watched,
 * the request times out.
 */
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
	timer_at = timeout_ms < 0 ? -1 : curl_loop_now() + timeout_ms;
	return 0;
}

/* libcurl's callback: open a socket, which counts as one of the process's open files. */
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

/*
 * Initialize libcurl, unless that was done. done is called for each transfer
 * that is completed. Returns NULL, or why it failed.
 */
const char *
curl_loop_start(CurlLoopDone done)
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
	report_done = done;
	return NULL;
}

/* Begin a transfer, all other options of which are set. Returns NULL, or why it failed. */
const char *
curl_loop_add(CURL *easy)
{
	CURLMcode	code;
	sigset_t	signals;

	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
	curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, close_socket);
	block_signals(&signals);
	code = curl_multi_add_handle(multi, easy);
	unblock_signals(&signals);
	return code == CURLM_OK ? NULL : curl_multi_strerror(code);
}

/* End a transfer, and free its handle. running: it was begun, and is not completed. */
void
curl_loop_end(CURL *easy, bool running)
{
	sigset_t	signals;

	block_signals(&signals);
	if (running)
		curl_multi_remove_handle(multi, easy);
	curl_easy_cleanup(easy);
	unblock_signals(&signals);
}

/* Report the transfers that libcurl has completed. */
static void
report_finished(void)
{
	CURLMsg    *message;
	int			left;

	while ((message = curl_multi_info_read(multi, &left)) != NULL)
	{
		CURL	   *easy = message->easy_handle;
		CURLcode	code = message->data.result;

		curl_multi_remove_handle(multi, easy);
		report_done(easy, code);
	}
}

/* Process all events that are pending, without waiting. */
void
curl_loop_run(void)
{
	struct epoll_event events[SOCKETS_MAX];
	int			count;
	int			running;
	sigset_t	signals;

	if (multi == NULL)
		return;
	block_signals(&signals);
	count = epoll_wait(poll_fd, events, SOCKETS_MAX, 0);
	for (int i = 0; i < count; i++)
	{
		int			ready = 0;

		if (events[i].events & EPOLLIN)
			ready |= CURL_CSELECT_IN;
		if (events[i].events & EPOLLOUT)
			ready |= CURL_CSELECT_OUT;
		/* 0 after an error, which libcurl finds out itself. */
		curl_multi_socket_action(multi, events[i].data.fd, ready, &running);
	}
	if (timer_at >= 0 && timer_at <= curl_loop_now())
		curl_multi_socket_action(multi, CURL_SOCKET_TIMEOUT, 0, &running);
	report_finished();
	unblock_signals(&signals);
}

/*
 * Wait for events, at most until a time of curl_loop_now(), and process them.
 * Interrupts are served while it waits.
 */
void
curl_loop_wait(int64 until)
{
	if (timer_at >= 0)
		until = Min(until, timer_at);
	latch_wait("ChatHttp", poll_fd >= 0 ? WL_SOCKET_READABLE : 0, poll_fd,
			   Max(until - curl_loop_now(), 0));
	curl_loop_run();
}
