/*
 * change_tracking.c
 *	  Chats that this transaction changed.
 *
 * They are added to the log of changes after the commit: see change_log.c. If
 * there are too many, the log is told that any chat may have changed.
 *
 * - Of a prepared transaction, only the fact that it changed something is
 *	 kept: see bgworker/utility_hook.c.
 * - Where triggers do not fire, such as for changes by logical replication, the
 *	 changed chats are not known: any chat may have changed.
 * - Changes of a subtransaction that was rolled back are announced, too;
 *	 readers find nothing then.
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/trigger.h"
#include "utils/memutils.h"

#include "changes/change_log.h"
#include "changes/change_tracking.h"
#include "common/keys.h"

/* The most changes that are kept. */
#define CHANGES_MAX 16384

/* As many need no memory of the transaction. */
#define CHANGES_FEW 16

static ChatKey few[CHANGES_FEW];

/* few, or in TopTransactionContext. */
static ChatKey *changes = few;
static int	changes_count = 0;
static int	changes_capacity = CHANGES_FEW;

/* Were there more changes than are kept? */
static bool too_many = false;

/* Returns whether this transaction may have changed chats without noting them. */
static bool
changes_are_hidden(void)
{
	return SessionReplicationRole == SESSION_REPLICATION_ROLE_REPLICA &&
		TransactionIdIsValid(GetTopTransactionIdIfAny());
}

static void
tell_changes(void)
{
	bool		any = too_many || changes_are_hidden();

	if ((!any && changes_count == 0) || !change_log_is_read())
		return;
	if (any)
		change_log_add_all();
	else
		change_log_add(changes, changes_count);
}

static void
on_transaction_end(XactEvent event, void *argument)
{
	switch (event)
	{
		case XACT_EVENT_COMMIT:
			tell_changes();
			break;
		case XACT_EVENT_PREPARE:
			if ((changes_count > 0 || changes_are_hidden()) && shmem_available())
				change_log_note_prepared();
			break;
		case XACT_EVENT_ABORT:
			break;
		default:
			return;
	}
	changes = few;
	changes_count = 0;
	changes_capacity = CHANGES_FEW;
	too_many = false;
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

static void
enlarge(void)
{
	Size		size = changes_capacity * sizeof(ChatKey);

	if (changes == few)
	{
		changes = MemoryContextAlloc(TopTransactionContext, 2 * size);
		memcpy(changes, few, size);
	}
	else
		changes = repalloc(changes, 2 * size);
	changes_capacity *= 2;
}

/*
 * Note that a chat was changed; chat 0 stands for the chats of the application,
 * a negative number for the cursors of that chat.
 */
void
change_tracking_note(int32 application, int32 chat)
{
	ChatKey		key = {application, chat};

	if (too_many)
		return;

	/* To create many chats changes the application again and again. */
	for (int i = Max(changes_count - 2, 0); i < changes_count; i++)
		if (chat_key_compare(changes[i], key) == 0)
			return;
	if (changes_count == CHANGES_MAX)
	{
		too_many = true;
		return;
	}
	if (changes_count == changes_capacity)
		enlarge();
	changes[changes_count++] = key;
}
