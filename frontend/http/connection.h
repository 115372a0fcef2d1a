/*
 * connection.h
 *		Connections of clients, and the time limits of each.
 */
#ifndef CHATD_CONNECTION_H
#define CHATD_CONNECTION_H

#include <microhttpd.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "http/share.h"

/* Bytes of a connection's memory, for the request's head and the headers of the response. */
#define CONNECTION_MEMORY (32 * 1024)

typedef enum ConnectionState
{
	CONNECTION_IDLE,			/* no request has begun */
	CONNECTION_READING,			/* a request is arriving */
	CONNECTION_WAITING,			/* its request waits for the database */
	CONNECTION_WRITING			/* a response is on its way */
} ConnectionState;

typedef struct Connection
{
	int			fd;
	Share	   *share;			/* of its address; NULL if out of memory */
	bool		is_tcp;			/* else it is on a socket of Unix */
	ConnectionState state;
	uint64_t	since;			/* when the state was entered, or writing last progressed enough */
	uint64_t	progress;		/* bytes received when last examined, or acknowledged at since */
	bool		examined;		/* since the state was entered */
	uint64_t	trickling;		/* when bytes first arrived while idle, or 0 */
	unsigned	refused;		/* the status with which connection_refuse() ended it, or 0 */
	bool		has_nul;		/* a NUL was received; this and what follows: see socket_calls.c */
	bool		parked;			/* libmicrohttpd takes the socket for one outside of its epoll set */
	bool		drained;		/* there is nothing to read, unless the client has ended */
	bool		ended;			/* the client sends no more, or there is an error */
	epoll_data_t event_value;	/* libmicrohttpd's, of the socket in its epoll set */
	struct Request *request;	/* the one that has begun, or NULL; exchange.c owns it */
	const char *request_id;		/* of it */
	struct Connection *next;
	struct Connection *previous;
} Connection;

/* Makes the table of connections; call once per process, before there are threads. Exits on failure. */
extern void connections_open(void);

/* Keeps the record of a connection, which is the socket's context, from its begin to its end. */
extern void connection_notify(struct MHD_Connection *connection, void **socket_context,
							  enum MHD_ConnectionNotificationCode code);

/* The record of a connection; NULL if there was no memory for it. */
extern Connection *connection_of(struct MHD_Connection *connection);

/* The record of the connection on a socket; NULL if the socket is no client's. */
extern Connection *connection_on(int fd);

/* Enters a state, whose time limit begins now. */
extern void connection_enter(Connection *client, ConnectionState state);

/*
 * Ends a connection on which no response has begun. Sends a JSON response straight to
 * the socket, past libmicrohttpd, as far as that takes it without blocking.
 */
extern void connection_refuse(Connection *client, unsigned status, const char *text);

/*
 * Refuses a request while its body is arriving, with a JSON response past
 * libmicrohttpd. The caller discards what still arrives; the connection is ended at the
 * request's time limit, unless it has ended before.
 */
extern void connection_refuse_rest(Connection *client, unsigned status, const char *text);

/* Has the client closed its side of the connection? */
extern bool connection_has_left(const Connection *client);

/* Once a second: ends connections that have exceeded a time limit. */
extern void connections_tick(void);

/*
 * Ends connections without a complete request. Returns how many connections
 * there were.
 */
extern int	connections_close_incomplete(void);

#endif
