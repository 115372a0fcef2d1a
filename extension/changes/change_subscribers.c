/*
 * change_subscribers.c
 *	  Changed chats, handed to the jobs that want them.
 *
 * Shared memory tells the worker once what changed; several jobs want to
 * know. Each has a queue of its own here. As in shared memory, too many of
 * them are replaced by the remark that all may have changed.
 */
#include "postgres.h"

#include "changes/change_set.h"
#include "changes/change_subscribers.h"
#include "changes/chat_key_queue.h"

/* Changed chats that are kept for a job, at most. */
#define INBOX_CAPACITY 16384

typedef struct Inbox
{
	bool		asked;			/* whether it is listening was said */
	bool		listening;
	bool		all;			/* any chat may have changed */
	ChatKeyQueue  *chats;			/* NULL before it listens first */
} Inbox;

static Inbox inboxes[SUBSCRIBER_COUNT];

static void
forget_chats(Inbox *inbox)
{
	chat_key_queue_clear(inbox->chats);
	inbox->all = true;
}

static void
put(Inbox *inbox, const ChatKey *changes, int count, bool all)
{
	inbox->all |= all;
	for (int i = 0; i < count; i++)
	{
		if (!chat_key_queue_add(inbox->chats, changes[i]))
		{
			forget_chats(inbox);
			return;
		}
	}
}

/* Fetch what shared memory has, for all who listen. */
static void
fetch(void)
{
	ChatKey *changes;
	bool		all;
	int			count;

	if (!shmem_available() || change_set_is_empty())
		return;
	count = change_set_take(&changes, &all);
	for (int i = 0; i < SUBSCRIBER_COUNT; i++)
		if (inboxes[i].listening)
			put(&inboxes[i], changes, count, all);
	pfree(changes);
}

/*
 * From now on keep changes for a reader, or no more. One that begins has to
 * look everywhere.
 */
void
change_subscriber_listen(ChangeSubscriber reader, bool listen)
{
	Inbox	   *inbox = &inboxes[reader];
	bool		anyone = false;
	bool		all = true;

	if (inbox->asked && inbox->listening == listen)
		return;
	inbox->asked = true;
	inbox->listening = listen;
	if (inbox->chats == NULL)
		inbox->chats = chat_key_queue_create(INBOX_CAPACITY);
	forget_chats(inbox);

	for (int i = 0; i < SUBSCRIBER_COUNT; i++)
	{
		anyone |= inboxes[i].listening;
		all &= inboxes[i].asked;
	}
	if (shmem_available() && (all || anyone))
		change_set_listen(anyone);
}

/*
 * Whether there is something for a reader. Shared memory is left as it is: it
 * wakes the worker for the first change after each time it is emptied.
 */
bool
change_subscriber_has_changes(ChangeSubscriber reader)
{
	Inbox	   *inbox = &inboxes[reader];

	return inbox->listening &&
		(inbox->all || chat_key_queue_count(inbox->chats) > 0 ||
		 (shmem_available() && !change_set_is_empty()));
}

/*
 * Take what there is for a reader: an array in the current memory context;
 * *all tells that there may be others. Returns their number.
 */
int
change_subscriber_take(ChangeSubscriber reader, ChatKey **changes, bool *all)
{
	Inbox	   *inbox = &inboxes[reader];
	int			count = 0;

	fetch();
	*changes = palloc((chat_key_queue_count(inbox->chats) + 1) * sizeof(ChatKey));
	while (chat_key_queue_take(inbox->chats, &(*changes)[count]))
		count++;
	*all = inbox->all;
	inbox->all = false;
	return count;
}
