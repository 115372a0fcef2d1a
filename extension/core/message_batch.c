/*
 * message_batch.c
 *	  New messages, by chat.
 *
 * Chats are taken in the order of their keys, so that two batches cannot wait
 * for each other in a circle.
 */
#include "postgres.h"

#include "core/message_batch.h"

static int
compare_messages(const void *a, const void *b)
{
	const MessageInsert *left = *(MessageInsert *const *) a;
	const MessageInsert *right = *(MessageInsert *const *) b;

	if (left->application != right->application)
		return left->application < right->application ? -1 : 1;
	if (left->chat != right->chat)
		return left->chat < right->chat ? -1 : 1;
	return left < right ? -1 : left > right;
}

/*
 * Sort what is neither created nor refused yet into groups by chat.
 */
void
message_batch_init(MessageBatch *batch, MessageInsert *messages, int count)
{
	ChatGroup  *group = NULL;
	bool		sorted = true;

	memset(batch, 0, sizeof(MessageBatch));
	batch->order = palloc((count + 1) * sizeof(MessageInsert *));
	for (int i = 0; i < count; i++)
	{
		if (message_is_done(&messages[i]))
			continue;
		batch->order[batch->count++] = &messages[i];
		if (sorted && batch->count > 1)
			sorted = compare_messages(&batch->order[batch->count - 2], &batch->order[batch->count - 1]) < 0;
	}
	if (!sorted)
		qsort(batch->order, batch->count, sizeof(MessageInsert *), compare_messages);

	batch->groups = palloc0((batch->count + 1) * sizeof(ChatGroup));
	for (int i = 0; i < batch->count; i++)
	{
		MessageInsert *message = batch->order[i];

		if (group == NULL ||
			group->application != message->application || group->chat != message->chat)
		{
			group = &batch->groups[batch->groups_count++];
			group->application = message->application;
			group->chat = message->chat;
			group->first = i;
		}
		group->count++;
		group->named |= message->named;
		group->checked |= message->key != NULL || message->conditional;
	}
}

/* Refuse all messages of a chat that are not done. */
void
message_batch_refuse(MessageBatch *batch, ChatGroup *group, ArgError problem)
{
	for (int i = group->first; i < group->first + group->count; i++)
		if (!message_is_done(batch->order[i]))
			batch->order[i]->problem = problem;
}
