/*
 * connection.c
 *		Connections of clients, and the time limits of each.
 *
 * libmicrohttpd only has a timeout for inactivity: a client that sends a byte now
 * and then keeps its connection for ever. Here every state of a connection has a
 * time limit, checked once a second. Connections are ended by a shutdown of the
 * socket, which libmicrohttpd then finds closed.
 *
 * libmicrohttpd reports a request once its first line is complete. Before that,
 * the socket's statistics tell: if the count of bytes received grows while the
 * connection is idle, the client is sending the request line slowly.
 */
#include <netinet/in.h>
#include <poll.h>
/* Not netinet/tcp.h, whose tcp_info ends before the field needed here. */
#include <linux/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "common/log.h"
#include "common/loop.h"
#include "common/settings.h"
#include "http/acceptor.h"
#include "http/connection.h"
#include "http/daemon.h"
#include "http/error_body.h"
#include "http/request_id.h"
#include "metrics/figures.h"

#define DRAIN_READS 16
#define DESCRIPTORS_MAX (1024 * 1024)	/* of a process, that clients can have */
#define WRITE_RATE 1024			/* bytes per second that a client must take, at least */

static Connection *connections;
static Connection **by_fd;
static int	by_fd_size;

/* The table never moves: threads that connect to the database look their descriptors up, too, see socket_calls.c. */
void
connections_open(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur > DESCRIPTORS_MAX)
		limit.rlim_cur = DESCRIPTORS_MAX;
	by_fd_size = (int) limit.rlim_cur;
	by_fd = calloc(by_fd_size, sizeof(Connection *));
	if (by_fd == NULL)
	{
		log_event("out of memory");
		exit(1);
	}
}

Connection *
connection_on(int fd)
{
	return fd >= 0 && fd < by_fd_size ? by_fd[fd] : NULL;
}

/* Makes the record of a new connection. If out of memory, ends it and returns NULL. */
static Connection *
connection_begin(struct MHD_Connection *connection)
{
	int			fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
	Connection *client = fd < by_fd_size ? calloc(1, sizeof(Connection)) : NULL;
	const struct sockaddr *address;

	if (client == NULL)
	{
		shutdown(fd, SHUT_RDWR);
		return NULL;
	}
	by_fd[fd] = client;
	client->fd = fd;
	address = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr;
	client->share = share_join(address);
	client->is_tcp = address && address->sa_family != AF_UNIX;
	client->since = loop_now();
	client->next = connections;
	if (connections)
		connections->previous = client;
	connections = client;
	figures->connections++;
	return client;
}

static void
connection_end(Connection *client)
{
	if (client->next)
		client->next->previous = client->previous;
	if (client->previous)
		client->previous->next = client->next;
	else
		connections = client->next;
	if (client->share)
		share_leave(client->share);
	by_fd[client->fd] = NULL;
	figures->connections--;
	free(client);
}

void
connection_notify(struct MHD_Connection *connection, void **socket_context,
				  enum MHD_ConnectionNotificationCode code)
{
	Connection *client = *socket_context;

	if (code == MHD_CONNECTION_NOTIFY_STARTED)
	{
		client = connection_begin(connection);
		if (client == NULL)
			return;
		*socket_context = client;
		if (client->share == NULL || (size_t) client->share->connections > share_of(settings.max_connections))
			connection_refuse(client, MHD_HTTP_SERVICE_UNAVAILABLE, "There are too many connections from this address.");
	}
	else if (client)
	{
		connection_end(client);
		*socket_context = NULL;
		acceptor_resume();
	}
}

Connection *
connection_of(struct MHD_Connection *connection)
{
	return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

void
connection_enter(Connection *client, ConnectionState state)
{
	client->state = state;
	client->since = loop_now();
	client->examined = false;
	client->trickling = 0;
}

static void
connection_close(Connection *client)
{
	shutdown(client->fd, SHUT_RDWR);
}

/* Sends a response past libmicrohttpd. */
static void
send_refusal(Connection *client, unsigned status, const char *text)
{
	char	   *body = error_body(text);
	char		response[1024];
	int			length;

	client->refused = status;
	if (body == NULL)
		return;
	length = snprintf(response, sizeof(response),
					  "HTTP/1.1 %u %s\r\nConnection: close\r\n"
					  "Content-Type: application/json; charset=utf-8\r\n"
					  "%s%s%s" "Content-Length: %zu\r\n\r\n%s",
					  status, MHD_get_reason_phrase_for(status),
					  client->request_id ? REQUEST_ID_HEADER ": " : "", client->request_id ? client->request_id : "",
					  client->request_id ? "\r\n" : "", strlen(body), body);
	send(client->fd, response, length, MSG_DONTWAIT | MSG_NOSIGNAL);
	free(body);
}

void
connection_refuse_rest(Connection *client, unsigned status, const char *text)
{
	send_refusal(client, status, text);
	shutdown(client->fd, SHUT_WR);
}

void
connection_refuse(Connection *client, unsigned status, const char *text)
{
	char		scrap[16384];

	/* The client has its response, and time to read it. */
	if (client->refused == 0)
		send_refusal(client, status, text);
	/* A response can be lost if the connection is closed while received data is unread. */
	for (int i = 0; i < DRAIN_READS && recvfrom(client->fd, scrap, sizeof(scrap), MSG_DONTWAIT, NULL, NULL) > 0; i++)
		;
	connection_close(client);
}

bool
connection_has_left(const Connection *client)
{
	struct pollfd poll_of = {.fd = client->fd, .events = POLLRDHUP};

	return poll(&poll_of, 1, 0) > 0;
}

/* The bytes moved so far in the direction that the state is about. */
static uint64_t
connection_bytes(const Connection *client)
{
	struct tcp_info info;
	socklen_t	size = sizeof(info);

	memset(&info, 0, sizeof(info));
	getsockopt(client->fd, IPPROTO_TCP, TCP_INFO, &info, &size);
	return client->state == CONNECTION_WRITING ? info.tcpi_bytes_acked : info.tcpi_bytes_received;
}

static void
idle_tick(Connection *client)
{
	uint64_t	bytes = connection_bytes(client);

	if (client->examined && bytes != client->progress && client->trickling == 0)
		client->trickling = loop_now();
	client->progress = bytes;
	client->examined = true;
	if (client->trickling &&
		loop_now() - client->trickling >= (uint64_t) settings.request_timeout * 1000)
		connection_refuse(client, MHD_HTTP_REQUEST_TIMEOUT, "The request took too long.");
	else if (loop_now() - client->since >= (uint64_t) settings.idle_timeout * 1000)
		connection_close(client);
}

/*
 * Ends the connection if the client takes its response too slowly. On a slow line it may
 * take long, but in each period of the timeout it has to progress, since the response
 * takes memory that all clients share.
 */
static void
writing_tick(Connection *client)
{
	uint64_t	bytes = connection_bytes(client);

	/* Of a socket of Unix it cannot be told; who is there is on this machine. */
	if (!client->is_tcp)
		return;
	if (!client->examined)
	{
		client->progress = bytes;
		client->examined = true;
	}
	else if (bytes - client->progress >= (uint64_t) WRITE_RATE * settings.write_timeout)
	{
		client->progress = bytes;
		client->since = loop_now();
	}
	else if (loop_now() - client->since >= (uint64_t) settings.write_timeout * 1000)
		connection_close(client);
}

void
connections_tick(void)
{
	for (Connection *client = connections; client; client = client->next)
	{
		uint64_t	age = loop_now() - client->since;

		if (client->state == CONNECTION_IDLE)
			idle_tick(client);
		else if (client->state == CONNECTION_READING && age >= (uint64_t) settings.request_timeout * 1000)
			connection_refuse(client, MHD_HTTP_REQUEST_TIMEOUT, "The request took too long.");
		else if (client->state == CONNECTION_WRITING)
			writing_tick(client);
	}
}

int
connections_close_incomplete(void)
{
	int			remaining = 0;

	for (Connection *client = connections; client; client = client->next)
	{
		int			unread = 0;

		remaining++;
		if (client->refused)
			connection_close(client);
		if (client->state > CONNECTION_READING || client->refused ||
			ioctl(client->fd, FIONREAD, &unread) < 0 || unread > 0)
			continue;
		if (client->state == CONNECTION_READING)
			connection_refuse(client, MHD_HTTP_SERVICE_UNAVAILABLE, "The server is stopping.");
		else
			connection_close(client);
	}
	return remaining;
}
