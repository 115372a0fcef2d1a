/*
 * change_subscribers.c
 *	  Changed chats, distributed to the jobs that subscribe to them.
 *
 * The change set announces each change once, and several jobs want to know. So
 * each of them has a queue here. As in the change set, a queue that would have
 * too many chats is replaced by a flag that any chat may have changed.
 */
#include "postgres.h"

#include "changes/change_set.h"
#include "changes/change_subscribers.h"
#include "changes/chat_key_queue.h"

/* The most changed chats that are kept for a subscriber. */
#define SUBSCRIPTION_CAPACITY 16384

typedef struct Subscription
{
	bool		settled;		/* whether the job has subscribed or not is known */
	bool		listening;
	bool		all;			/* any chat may have changed */
	ChatKeyQueue *chats;		/* NULL before it first subscribes */
} Subscription;

static Subscription subscriptions[SUBSCRIBER_COUNT];

static void
forget_chats(Subscription *subscription)
{
	chat_key_queue_clear(subscription->chats);
	subscription->all = true;
}

static void
put(Subscription *subscription, const ChatKey *changes, int count, bool all)
{
	subscription->all |= all;
	for (int i = 0; i < count; i++)
	{
		if (!chat_key_queue_add(subscription->chats, changes[i]))
		{
			forget_chats(subscription);
			return;
		}
	}
}

/* Take the change set, and distribute it to all who subscribe. */
static void
fetch(void)
{
	ChatKey    *changes;
	bool		all;
	int			count;

	if (!shmem_available() || change_set_is_empty())
		return;
	count = change_set_take(&changes, &all);
	for (int i = 0; i < SUBSCRIBER_COUNT; i++)
		if (subscriptions[i].listening)
			put(&subscriptions[i], changes, count, all);
	pfree(changes);
}

/*
 * Subscribe to changes, or no longer. A subscriber that begins has to scan
 * everything.
 */
void
change_subscriber_listen(ChangeSubscriber subscriber, bool listen)
{
	Subscription *subscription = &subscriptions[subscriber];
	bool		anyone = false;
	bool		all = true;

	if (subscription->settled && subscription->listening == listen)
		return;
	subscription->settled = true;
	subscription->listening = listen;
	if (subscription->chats == NULL)
		subscription->chats = chat_key_queue_create(SUBSCRIPTION_CAPACITY);
	forget_chats(subscription);

	for (int i = 0; i < SUBSCRIBER_COUNT; i++)
	{
		anyone |= subscriptions[i].listening;
		all &= subscriptions[i].settled;
	}
	if (shmem_available() && (all || anyone))
		change_set_listen(anyone);
}

/*
 * Whether there are changes for a subscriber. Does not take the change set,
 * which wakes the worker only for the first change after it was taken.
 */
bool
change_subscriber_has_changes(ChangeSubscriber subscriber)
{
	Subscription *subscription = &subscriptions[subscriber];

	return subscription->listening &&
		(subscription->all || chat_key_queue_count(subscription->chats) > 0 ||
		 (shmem_available() && !change_set_is_empty()));
}

/*
 * Take the changes for a subscriber, as an array in the current memory context.
 * *all becomes whether any other chats may have changed, too. Returns the
 * number of chats.
 */
int
change_subscriber_take(ChangeSubscriber subscriber, ChatKey **changes, bool *all)
{
	Subscription *subscription = &subscriptions[subscriber];
	int			count = 0;

	fetch();
	*changes = palloc((chat_key_queue_count(subscription->chats) + 1) * sizeof(ChatKey));
	while (chat_key_queue_take(subscription->chats, &(*changes)[count]))
		count++;
	*all = subscription->all;
	subscription->all = false;
	return count;
}
