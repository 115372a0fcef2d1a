/*
 * change_tracking.c
 *	  Chats that this transaction changed.
 *
 * The worker is told after the commit, and only if it subscribes to changes:
 * see change_set.c. If they are too many, it is told that any chat may have
 * changed. Of a prepared transaction only the fact is kept that it had
 * changes: see bgworker/utility_hook.c. A change of a subtransaction that was
 * rolled back is announced, too; the worker then finds nothing to do.
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/memutils.h"

#include "changes/change_set.h"
#include "changes/change_tracking.h"
#include "common/keys.h"

/* The most changes that are kept. */
#define CHANGES_MAX 16384

/* In TopTransactionContext; NULL if there are none. */
static ChatKey *changes = NULL;
static int	changes_count = 0;
static int	changes_capacity = 0;

/* Whether there are more of them than are kept. */
static bool too_many = false;

/* Whether there are any, wanted or not. */
static bool changed = false;

static void
on_transaction_end(XactEvent event, void *argument)
{
	switch (event)
	{
		case XACT_EVENT_COMMIT:
			if (too_many)
				change_set_add_all();
			else if (changes != NULL)
				change_set_add(changes, changes_count);
			break;
		case XACT_EVENT_PREPARE:
			if (changed && shmem_available())
				change_set_note_prepared();
			break;
		case XACT_EVENT_ABORT:
			break;
		default:
			return;
	}
	changes = NULL;
	too_many = false;
	changed = false;
}

/*
 * Register for the ends of transactions. Called once, when the library is
 * loaded.
 */
void
change_tracking_init(void)
{
	RegisterXactCallback(on_transaction_end, NULL);
}

/*
 * Note that this transaction changed a chat; chat 0 stands for the
 * application's counters.
 */
void
change_tracking_note(int32 application, int32 chat)
{
	ChatKey		key = {application, chat};

	changed = true;
	if (too_many || !change_set_is_wanted())
		return;

	if (changes == NULL)
	{
		changes_count = 0;
		changes_capacity = 16;
		changes = MemoryContextAlloc(TopTransactionContext,
									 changes_capacity * sizeof(ChatKey));
	}
	/* Creating many chats notes their application with each of them. */
	for (int i = Max(changes_count - 2, 0); i < changes_count; i++)
		if (chat_key_compare(changes[i], key) == 0)
			return;
	if (changes_count == CHANGES_MAX)
	{
		too_many = true;
		return;
	}
	if (changes_count == changes_capacity)
	{
		changes_capacity *= 2;
		changes = repalloc(changes, changes_capacity * sizeof(ChatKey));
	}
	changes[changes_count++] = key;
}
