/*
 * event_stream.h
 *		Streams of Server-Sent Events: of one chat, or of many chats of an application.
 *
 * The id of an event is the position behind it, as N.R; across chats, the positions of all
 * of them, as CHAT:N.R,CHAT:N.R, or 0:0.0 if there is none. What a client was sent last it sends back when it
 * comes again, and goes on from there.
 */
#ifndef CHATD_EVENT_STREAM_H
#define CHATD_EVENT_STREAM_H

#include <stdbool.h>

#include "streams/audience.h"
#include "streams/position.h"

/* A chat to be followed. */
typedef struct FollowedChat
{
	int			chat;
	bool		given;			/* the client has a position */
	Position	position;		/* to begin after */
	bool		is_reset;		/* the client's was one that the chat never had */
} FollowedChat;

/* Parses positions across chats, for which there is room for STREAM_CHATS; returns how many, or -1 if text is none. */
extern int	positions_parse(const char *text, size_t length, FollowedChat *chats);

/* What a stream is of. */
typedef enum StreamScope
{
	STREAM_ONE,					/* a chat */
	STREAM_SOME,				/* chats of an application */
	STREAM_ALL					/* all chats of an application, new ones included */
} StreamScope;

/*
 * Sends a response with these headers besides its own, and then events, to the socket of an audience,
 * which is taken over. With cursors, events tell of readers' cursors, too.
 */
extern void event_stream_open(const Audience *audience, const FollowedChat *chats, int count, StreamScope scope, bool cursors);

#endif
