/*
 * directory.h
 *		Applications of which all chats are followed: finds new chats.
 */
#ifndef CHATD_DIRECTORY_H
#define CHATD_DIRECTORY_H

#include "streams/audience.h"

typedef struct Subscriber Subscriber;

/* Whoever follows all chats of an application. Zeroed at the start, but for the functions. */
struct Subscriber
{
	/* The application has this chat, be it new or not. The subscriber may leave with that. */
	void		(*found) (Subscriber *subscriber, const Audience *application, int chat);

	/* The application is no more; the subscriber has left already. */
	void		(*gone) (Subscriber *subscriber);

	bool		knows_all;		/* it has been told of all; reset, it is told of all again */
	struct Directory *directory;	/* NULL: it has not joined */
	Subscriber *next;
	Subscriber *previous;
};

/* The subscriber is told of all chats, one that there are too many of included. Returns false if out of memory. */
extern bool directory_join(Subscriber *subscriber, const Audience *audience);

/* It is told of no more; one that has not joined is left as it is. */
extern void directory_leave(Subscriber *subscriber);

/* An application may have got a chat. */
extern void directories_changed(int application);

/* Any may. */
extern void directories_all_changed(void);

/* Once a second. */
extern void directories_tick(void);

#endif
