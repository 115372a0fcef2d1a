/*
 * change_subscribers.c
 *	  Changed chats, distributed to the jobs that subscribe to them.
 *
 * The worker takes each change from the log once, but several jobs need it. So
 * each job has a queue of its own here. If a queue overflows, it is replaced
 * by the note that any chat may have changed.
 */
#include "postgres.h"

#include "changes/change_log.h"
#include "changes/change_subscribers.h"
#include "changes/chat_key_queue.h"

/* The most changed chats that are kept for a subscriber. */
#define SUBSCRIPTION_CAPACITY 16384

typedef struct Subscription
{
	bool		settled;		/* known whether the job has subscribed */
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
		/* No job needs changes of cursors. */
		if (changes[i].chat < 0)
			continue;
		if (!chat_key_queue_add(subscription->chats, changes[i]))
		{
			forget_chats(subscription);
			return;
		}
	}
}

/* Take the changes in the log, for all subscribers. */
static void
fetch(void)
{
	ChangesSince changes;

	if (!shmem_available() || !change_log_has_untaken())
		return;
	changes = change_log_take();
	for (int i = 0; i < SUBSCRIBER_COUNT; i++)
		if (subscriptions[i].listening)
			put(&subscriptions[i], changes.chats, changes.count, changes.all);
	pfree(changes.chats);
}

/* Skip the changes so far: the subscriber has to scan everything. */
void
change_subscriber_skip(ChangeSubscriber subscriber)
{
	fetch();
	forget_chats(&subscriptions[subscriber]);
}

/*
 * Subscribe to changes, or unsubscribe. A new subscriber has to scan
 * everything.
 */
void
change_subscriber_listen(ChangeSubscriber subscriber, bool listen)
{
	Subscription *subscription = &subscriptions[subscriber];
	bool		anyone = false;

	if (subscription->settled && subscription->listening == listen)
		return;
	subscription->settled = true;
	subscription->listening = listen;
	if (subscription->chats == NULL)
		subscription->chats = chat_key_queue_create(SUBSCRIPTION_CAPACITY);
	change_subscriber_skip(subscriber);

	for (int i = 0; i < SUBSCRIBER_COUNT; i++)
		anyone |= subscriptions[i].listening;
	if (shmem_available())
		change_log_listen(anyone);
}

/*
 * Returns whether there are changes for a subscriber. Does not take from the
 * log: it wakes the worker for the first change after each time it was taken
 * from.
 */
bool
change_subscriber_has_changes(ChangeSubscriber subscriber)
{
	Subscription *subscription = &subscriptions[subscriber];

	return subscription->listening &&
		(subscription->all || chat_key_queue_count(subscription->chats) > 0 ||
		 (shmem_available() && change_log_has_untaken()));
}

/*
 * Take the changes for a subscriber, as an array in the current memory context.
 * Sets *all to whether any other chats may have changed, too. Returns the
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
