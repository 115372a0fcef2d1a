/*
 * change_subscribers.h
 *	  Changed chats, distributed to the jobs that subscribe to them: see
 *	  change_subscribers.c.
 */
#ifndef PG_CHAT_CHANGE_SUBSCRIBERS_H
#define PG_CHAT_CHANGE_SUBSCRIBERS_H

#include "postgres.h"

#include "common/keys.h"

typedef enum ChangeSubscriber
{
	SUBSCRIBER_REDIS,
	SUBSCRIBER_SEARCH,
	SUBSCRIBER_COUNT
} ChangeSubscriber;

extern void change_subscriber_listen(ChangeSubscriber subscriber, bool listen);
extern void change_subscriber_skip(ChangeSubscriber subscriber);
extern bool change_subscriber_has_changes(ChangeSubscriber subscriber);
extern int	change_subscriber_take(ChangeSubscriber subscriber, ChatKey **changes, bool *all);

#endif							/* PG_CHAT_CHANGE_SUBSCRIBERS_H */
