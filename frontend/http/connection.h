/*
 * client.h
 *		The connections of clients and how long each may take.
 */
#ifndef CHATD_CLIENT_H
#define CHATD_CLIENT_H

#include <microhttpd.h>
#include <stdbool.h>
#include <stdint.h>

typedef enum ClientState
{
	CLIENT_IDLE,				/* no request has begun */
	CLIENT_READING,				/* a request is arriving */
	CLIENT_WAITING,				/* for the database */
	CLIENT_WRITING				/* an answer is on its way */
} ClientState;

typedef struct Client
{
	int			fd;
	ClientState state;
	uint64_t	since;			/* when the state was entered; writing: or went on */
	uint64_t	moved;			/* bytes received or taken, when it was looked at */
	bool		looked_at;		/* since the state was entered */
	uint64_t	trickling;		/* idle, but bytes arrive: since when, or 0 */
	unsigned	refused;		/* the status with which libmicrohttpd or a limit ended it */
	struct Client *next;
	struct Client *previous;
} Client;

/* libmicrohttpd's callback for new and ended connections. */
extern void client_notify(void *unused, struct MHD_Connection *connection, void **socket_context,
						  enum MHD_ConnectionNotificationCode code);

/* The record of a connection; NULL when there was no memory for it. */
extern Client *client_of(struct MHD_Connection *connection);

extern void client_enter(Client *client, ClientState state);

/*
 * Ends a connection on which no answer has begun, with a JSON answer that
 * libmicrohttpd does not know of, as far as the socket takes it.
 */
extern void client_refuse(Client *client, unsigned status, const char *text);

/* Once a second: ends connections that are over their time. */
extern void clients_tick(void);

/*
 * Ends connections that have sent nothing to answer, or not the whole of it yet;
 * returns how many remain.
 */
extern int	clients_close_incomplete(void);

#endif
