/*
 * topic.h
 *		The chats that are followed.
 *
 * A topic is a chat under a token of its application: whoever follows it reads with that
 * token. It exists as long as somebody follows it (group.c), or holds it.
 */
#ifndef CHATD_TOPIC_H
#define CHATD_TOPIC_H

#include <stddef.h>

typedef struct Topic
{
	int			application;	/* its id */
	int			chat;
	char	   *token;
	size_t		token_length;
	struct Group *groups;		/* of group.c */
	struct CursorWatch *cursors;	/* of cursor_watch.c, or NULL */
	int			holders;
	struct Topic *next_in_bucket;
	struct Topic *next;			/* of all */
	struct Topic *previous;
} Topic;

/* The topic, which is made if need be; NULL if out of memory. The caller holds it. */
extern Topic *topic_hold(int application, int chat, const char *token, size_t token_length);

/* Holds a topic that is held already. */
extern void topic_hold_again(Topic *topic);

/* No longer holds it: it is dropped with its last holder. */
extern void topic_release(Topic *topic);

/* Calls a function with each topic of a chat, whatever its token; it drops none. */
extern void topics_of_chat(int application, int chat, void (*call) (Topic *topic));

/* The first of all topics; a new one becomes the first. */
extern Topic *topics_first(void);

/* How many there are. */
extern int	topics_count(void);

#endif
