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

/* Memory of a connection: request line and headers, and headers of the response. */
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
	Share	   *share;			/* of its address; NULL without memory for it */
	ConnectionState state;
	uint64_t	since;			/* when the state was entered, or writing last made its progress */
	uint64_t	progress;		/* bytes received, when last examined; acknowledged, at since */
	bool		examined;		/* since the state was entered */
	uint64_t	trickling;		/* when bytes first arrived while idle, or 0 */
	unsigned	refused;		/* the status with which connection_refuse() ended it, or 0 */
	bool		has_nul;		/* a NUL was received; this and what follows: see socket_calls.c */
	bool		parked;			/* libmicrohttpd takes the socket for one outside of its epoll set */
	bool		drained;		/* there is nothing to read, unless the client has ended */
	bool		ended;			/* the client sends no more, or there is an error */
	epoll_data_t event_value;	/* libmicrohttpd's, of the socket in its epoll set */
	struct Connection *next;
	struct Connection *previous;
} Connection;

/* Makes the table of connections; call once per process, before there are threads. Exits on failure. */
extern void connections_open(void);

/* libmicrohttpd's callback for connections that begin and end. */
extern void connection_notify(void *unused, struct MHD_Connection *connection, void **socket_context,
							  enum MHD_ConnectionNotificationCode code);

/* Our record of a connection; NULL if there was no memory for it. */
extern Connection *connection_of(struct MHD_Connection *connection);

/* The record of the connection on a socket; NULL if it is none. */
extern Connection *connection_on(int fd);

extern void connection_enter(Connection *client, ConnectionState state);

/*
 * Ends a connection on which no response has begun, with a JSON response past
 * libmicrohttpd, as far as the socket takes it without blocking.
 */
extern void connection_refuse(Connection *client, unsigned status, const char *text);

/*
 * Refuses a request of which the body is arriving, with a JSON response past
 * libmicrohttpd. What still arrives is to be thrown away; the connection is ended when
 * the request's time is over, if it has not ended before.
 */
extern void connection_refuse_rest(Connection *client, unsigned status, const char *text);

/* Once a second: ends connections that have exceeded a time limit. */
extern void connections_tick(void);

/*
 * Ends connections without a complete request. Returns how many connections
 * there were.
 */
extern int	connections_close_incomplete(void);

#endif
