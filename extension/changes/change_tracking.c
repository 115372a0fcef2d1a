/*
 * change_tracking.c
 *	  Chats that this transaction changed.
 *
 * They are told to the worker after the commit, and only if it asked for them:
 * see shmem.c. Those of a prepared transaction are not kept, only that there
 * are such: see utility_hook.c. A change of a subtransaction that is rolled back is told, too; the worker then
 * finds nothing to do.
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/memutils.h"

#include "changes/change_tracking.h"
#include "changes/shmem.h"

/* In TopTransactionContext; NULL if there are none. */
static ChatKey *changes = NULL;
static int	changes_count = 0;
static int	changes_capacity = 0;

/* Whether there are any, wanted or not. */
static bool changed = false;

static void
on_transaction_end(XactEvent event, void *argument)
{
	switch (event)
	{
		case XACT_EVENT_COMMIT:
			if (changes != NULL)
				shmem_note_changes(changes, changes_count);
			break;
		case XACT_EVENT_PREPARE:
			if (changed && shmem_available())
				shmem_note_prepared();
			break;
		case XACT_EVENT_ABORT:
			break;
		default:
			return;
	}
	changes = NULL;
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
 * Note that a chat was changed; chat 0 stands for the application's chats.
 */
void
change_tracking_note(int32 application, int32 chat)
{
	changed = true;
	if (!shmem_wants_changes())
		return;

	if (changes == NULL)
	{
		changes_count = 0;
		changes_capacity = 16;
		changes = MemoryContextAlloc(TopTransactionContext,
									 changes_capacity * sizeof(ChatKey));
	}
	else if (changes_count == changes_capacity)
	{
		changes_capacity *= 2;
		changes = repalloc_huge(changes, changes_capacity * sizeof(ChatKey));
	}
	changes[changes_count++] = (ChatKey) {application, chat};
}
