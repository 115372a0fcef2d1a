/*
 * change_subscribers.c
 *	  Changed chats, distributed to the jobs that subscribe to them.
 *
 * The log of changes tells the worker once what changed, and several jobs want to
 * know. So each has a queue of its own here. Too many of
 * them are replaced by the remark that any chat may have changed.
 */
#include "postgres.h"

#include "changes/change_log.h"
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
		/* Cursors are nobody's here. */
		if (changes[i].chat < 0)
			continue;
		if (!chat_key_queue_add(subscription->chats, changes[i]))
		{
			forget_chats(subscription);
			return;
		}
	}
}

/* Take what the log has, for all who listen. */
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

/*
 * Subscribe to changes, or no longer. A subscriber that begins has to scan
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
	forget_chats(subscription);

	for (int i = 0; i < SUBSCRIBER_COUNT; i++)
		anyone |= subscriptions[i].listening;
	if (shmem_available())
		change_log_listen(anyone);
}

/*
 * Whether there is something for a subscriber. The log is left as it is:
 * it wakes the worker for the first change after each time it was taken from.
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
