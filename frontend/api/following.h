/*
 * following.h
 *		What a client wants to follow, and from where on.
 */
#ifndef CHATD_FOLLOWING_H
#define CHATD_FOLLOWING_H

#include "http/request.h"
#include "streams/event_stream.h"

typedef struct Following
{
	/* parameters of the query; NULL if not given */
	Text		last_event_id;
	Text		chats_text;

	bool		across;			/* chats of an application */
	bool		named;			/* the client named them */
	bool		resumes;		/* the client has positions */
	bool		cursors;		/* those of readers are to be told of */
	char	   *list;			/* the chats, as PostgreSQL writes an array; NULL: all */
	int			count;
	FollowedChat chats[STREAM_CHATS];
} Following;

/*
 * Parses the request's query, and the header Last-Event-ID, into the call's following, for a stream
 * of one chat or across chats. If they are invalid, responds and returns NULL.
 */
extern Following *following_read_stream(Request *request, bool across);

/* The numbers of chats as PostgreSQL writes an array; malloc'ed, NULL if out of memory. */
extern char *chats_array(const int *chats, int count);

/* Has these chats followed alone. Returns false if they are too many, or out of memory. */
extern bool following_restrict(Following *following, const int *chats, int count);

#endif
