/*
 * inbox.c
 *	  Changed chats, handed to the duties that want them.
 *
 * Shared memory tells the worker once what changed; several duties want to
 * know. Each has a queue of its own here. As in shared memory, too many of
 * them are replaced by the remark that all may have changed.
 */
#include "postgres.h"

#include "changes/change_subscribers.h"
#include "changes/chat_key_queue.h"

/* Changed chats that are kept for a duty, at most. */
#define INBOX_CAPACITY 16384

typedef struct Inbox
{
	bool		asked;			/* whether it is listening was said */
	bool		listening;
	bool		all;			/* any chat may have changed */
	ChatQueue  *chats;			/* NULL before it listens first */
} Inbox;

static Inbox inboxes[INBOX_READERS];

static void
forget_chats(Inbox *inbox)
{
	chat_queue_clear(inbox->chats);
	inbox->all = true;
}

static void
put(Inbox *inbox, const ChangedChat *changes, int count, bool all)
{
	inbox->all |= all;
	for (int i = 0; i < count; i++)
	{
		if (!chat_queue_add(inbox->chats, changes[i]))
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
	ChangedChat *changes;
	bool		all;
	int			count;

	if (!shared_available() || !shared_has_changes())
		return;
	count = shared_take_changes(&changes, &all);
	for (int i = 0; i < INBOX_READERS; i++)
		if (inboxes[i].listening)
			put(&inboxes[i], changes, count, all);
	pfree(changes);
}

/*
 * From now on keep changes for a reader, or no more. One that begins has to
 * look everywhere.
 */
void
inbox_listen(InboxReader reader, bool listen)
{
	Inbox	   *inbox = &inboxes[reader];
	bool		anyone = false;
	bool		all = true;

	if (inbox->asked && inbox->listening == listen)
		return;
	inbox->asked = true;
	inbox->listening = listen;
	if (inbox->chats == NULL)
		inbox->chats = chat_queue_create(INBOX_CAPACITY);
	forget_chats(inbox);

	for (int i = 0; i < INBOX_READERS; i++)
	{
		anyone |= inboxes[i].listening;
		all &= inboxes[i].asked;
	}
	if (shared_available() && (all || anyone))
		shared_listen(anyone);
}

/*
 * Whether there is something for a reader. Shared memory is left as it is: it
 * wakes the worker for the first change after each time it is emptied.
 */
bool
inbox_has_changes(InboxReader reader)
{
	Inbox	   *inbox = &inboxes[reader];

	return inbox->listening &&
		(inbox->all || chat_queue_count(inbox->chats) > 0 || shared_has_changes());
}

/*
 * Take what there is for a reader: an array in the current memory context;
 * *all tells that there may be others. Returns their number.
 */
int
inbox_take(InboxReader reader, ChangedChat **changes, bool *all)
{
	Inbox	   *inbox = &inboxes[reader];
	int			count = 0;

	fetch();
	*changes = palloc((chat_queue_count(inbox->chats) + 1) * sizeof(ChangedChat));
	while (chat_queue_take(inbox->chats, &(*changes)[count]))
		count++;
	*all = inbox->all;
	inbox->all = false;
	return count;
}
