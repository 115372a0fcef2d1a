/*
 * client.c
 *		The connections of clients and how long each may take.
 *
 * libmicrohttpd has a timeout for silence only: a client that sends a byte now
 * and then lives for ever. Here every state of a connection has a limit, looked
 * at once a second. Ending a connection is a shutdown of its socket, which
 * libmicrohttpd then finds closed.
 *
 * A request is known from its first line on. Before that, bytes that arrive are
 * seen in the socket's statistics: an idle client whose count grows from one
 * look to the next is sending the first line slowly.
 */
#include <netinet/in.h>
/* Not netinet/tcp.h, whose tcp_info ends before the field needed here. */
#include <linux/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "http/connection.h"
#include "common/loop.h"
#include "http/response.h"
#include "http/server.h"
#include "common/settings.h"

#define DRAIN_READS 16

static Client *clients;

void
client_notify(void *unused, struct MHD_Connection *connection, void **socket_context,
			  enum MHD_ConnectionNotificationCode code)
{
	Client	   *client = *socket_context;

	(void) unused;
	if (code == MHD_CONNECTION_NOTIFY_STARTED)
	{
		client = calloc(1, sizeof(Client));
		if (client == NULL)
			return;
		client->fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
		client->since = loop_now();
		client->next = clients;
		if (clients)
			clients->previous = client;
		clients = client;
		*socket_context = client;
	}
	else if (client)
	{
		if (client->next)
			client->next->previous = client->previous;
		if (client->previous)
			client->previous->next = client->next;
		else
			clients = client->next;
		free(client);
		*socket_context = NULL;
		server_wake();			/* there is room for another */
	}
}

Client *
client_of(struct MHD_Connection *connection)
{
	return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

void
client_enter(Client *client, ClientState state)
{
	client->state = state;
	client->since = loop_now();
	client->looked_at = false;
	client->trickling = 0;
}

static void
client_close(Client *client)
{
	shutdown(client->fd, SHUT_RDWR);
}

void
client_refuse(Client *client, unsigned status, const char *text)
{
	char	   *body = error_body(text);
	char		answer[1024];
	char		scrap[16384];
	int			length;

	client->refused = status;
	if (body)
	{
		length = snprintf(answer, sizeof(answer),
						  "HTTP/1.1 %u %s\r\nConnection: close\r\n"
						  "Content-Type: application/json; charset=utf-8\r\n"
						  "Content-Length: %zu\r\n\r\n%s",
						  status, MHD_get_reason_phrase_for(status), strlen(body), body);
		send(client->fd, answer, length, MSG_DONTWAIT | MSG_NOSIGNAL);
		free(body);
	}
	/* An answer can get lost if its connection is closed with something unread. */
	for (int i = 0; i < DRAIN_READS && recv(client->fd, scrap, sizeof(scrap), MSG_DONTWAIT) > 0; i++)
		;
	client_close(client);
}

/*
 * Have bytes moved since the last look, in the direction that matters to the
 * state? The first look in a state tells nothing.
 */
static bool
client_moved(Client *client)
{
	struct tcp_info info;
	socklen_t	size = sizeof(info);
	uint64_t	before = client->moved;
	bool		looked_at = client->looked_at;

	memset(&info, 0, sizeof(info));
	getsockopt(client->fd, IPPROTO_TCP, TCP_INFO, &info, &size);
	client->moved = client->state == CLIENT_WRITING ? info.tcpi_bytes_acked : info.tcpi_bytes_received;
	client->looked_at = true;
	return looked_at && client->moved != before;
}

static void
idle_client_tick(Client *client)
{
	if (client_moved(client) && client->trickling == 0)
		client->trickling = loop_now();
	if (client->trickling &&
		loop_now() - client->trickling >= (uint64_t) settings.request_timeout * 1000)
		client_refuse(client, MHD_HTTP_REQUEST_TIMEOUT, "The request took too long.");
	else if (loop_now() - client->since >= (uint64_t) settings.idle_timeout * 1000)
		client_close(client);
}

/* An answer may take long on a slow line, as long as it goes on. */
static void
writing_client_tick(Client *client)
{
	if (client_moved(client))
		client->since = loop_now();
	else if (loop_now() - client->since >= (uint64_t) settings.write_timeout * 1000)
		client_close(client);
}

void
clients_tick(void)
{
	for (Client *client = clients; client; client = client->next)
	{
		uint64_t	age = loop_now() - client->since;

		if (client->state == CLIENT_IDLE)
			idle_client_tick(client);
		else if (client->state == CLIENT_READING && age >= (uint64_t) settings.request_timeout * 1000)
			client_refuse(client, MHD_HTTP_REQUEST_TIMEOUT, "The request took too long.");
		else if (client->state == CLIENT_WRITING)
			writing_client_tick(client);
	}
}

int
clients_close_incomplete(void)
{
	int			remaining = 0;

	for (Client *client = clients; client; client = client->next)
	{
		int			unread = 0;

		remaining++;
		if (client->state > CLIENT_READING || client->refused ||
			ioctl(client->fd, FIONREAD, &unread) < 0 || unread > 0)
			continue;
		if (client->state == CLIENT_READING)
			client_refuse(client, MHD_HTTP_SERVICE_UNAVAILABLE, "The server is stopping.");
		else
			client_close(client);
	}
	return remaining;
}
