/*
 * mhd_alone.c
 *		libmicrohttpd with nothing behind it, for comparison with chatd.
 *
 * Usage: mhd_alone PORT. It sits in an epoll loop as it does in chatd. A POST
 * is read, its connection suspended and resumed on the next turn of the loop,
 * and answered with a fixed body and 201. Every other request is answered at
 * once with the same body and 200. Ends at SIGTERM.
 */
#include <arpa/inet.h>
#include <microhttpd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define CONNECTIONS 4096

/* States of a request: its context points to one of them. */
static char seen,
			suspended;

static struct MHD_Connection *waiting[CONNECTIONS];
static int	waiting_count;

static enum MHD_Result
answer(struct MHD_Connection *connection, unsigned status)
{
	static char body[] = "{\"number\":1,\"body\":\"Hello there, how are you today?\"}";
	struct MHD_Response *response;
	enum MHD_Result queued;

	response = MHD_create_response_from_buffer(strlen(body), body, MHD_RESPMEM_PERSISTENT);
	MHD_add_response_header(response, "Content-Type", "application/json; charset=utf-8");
	queued = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return queued;
}

static enum MHD_Result
handle(void *unused, struct MHD_Connection *connection, const char *url, const char *method,
	   const char *version, const char *upload, size_t *upload_size, void **context)
{
	(void) unused;
	(void) url;
	(void) version;
	(void) upload;
	if (*context == NULL)
		*context = &seen;
	else if (*upload_size > 0)
		*upload_size = 0;
	else if (strcmp(method, "POST") != 0)
		return answer(connection, MHD_HTTP_OK);
	else if (*context == &suspended)
		return answer(connection, MHD_HTTP_CREATED);
	else
	{
		*context = &suspended;
		waiting[waiting_count++] = connection;
		MHD_suspend_connection(connection);
	}
	return MHD_YES;
}

int
main(int argc, char **argv)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	struct epoll_event event = {.events = EPOLLIN};
	struct MHD_Daemon *server;
	MHD_UNSIGNED_LONG_LONG timeout;
	int			loop = epoll_create1(0);

	if (argc != 2)
	{
		fprintf(stderr, "usage: mhd_alone PORT\n");
		return 2;
	}
	address.sin_port = htons(atoi(argv[1]));
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	server = MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, handle, NULL,
							  MHD_OPTION_SOCK_ADDR, &address,
							  MHD_OPTION_LISTENING_ADDRESS_REUSE, 1u,
							  MHD_OPTION_CONNECTION_LIMIT, (unsigned) CONNECTIONS, MHD_OPTION_END);
	if (server == NULL ||
		epoll_ctl(loop, EPOLL_CTL_ADD, MHD_get_daemon_info(server, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd, &event) < 0)
	{
		perror("mhd_alone");
		return 1;
	}
	for (;;)
	{
		bool		busy = waiting_count > 0 || (MHD_get_timeout(server, &timeout) == MHD_YES && timeout == 0);

		epoll_wait(loop, &event, 1, busy ? 0 : -1);
		for (int i = 0; i < waiting_count; i++)
			MHD_resume_connection(waiting[i]);
		waiting_count = 0;
		MHD_run(server);
	}
}
