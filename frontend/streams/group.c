/*
 * group.c
 *		Those who follow a chat and are at the same position.
 *
 * What says that a chat has changed is only a hint: it makes groups due. The truth is what
 * is read after the group's position (group_run.c). So nothing is missed whatever becomes of a
 * hint, and nothing comes twice.
 */
#include <stdlib.h>

#include "streams/group.h"
#include "streams/group_state.h"

#define PAGE_CHANGES 1000		/* in one read, at most */

GroupQueue	groups_due;
GroupQueue	groups_waiting;

static uint64_t time_of_groups;

void
group_push(GroupQueue *queue, Group *group)
{
	group->queued = true;
	group->next_queued = NULL;
	if (queue->last)
		queue->last->next_queued = group;
	else
		queue->first = group;
	queue->last = group;
}

Group *
group_pop(GroupQueue *queue)
{
	Group	   *group = queue->first;

	if (group)
	{
		group->queued = false;
		queue->first = group->next_queued;
		if (queue->first == NULL)
			queue->last = NULL;
	}
	return group;
}

void
group_make_due(Group *group)
{
	group->due = true;
	if (group->state == IDLE && !group->queued)
		group_push(&groups_due, group);
}

Group *
group_make(Topic *topic, Position position)
{
	Group	   *group = calloc(1, sizeof(Group));

	if (group == NULL)
		return NULL;
	topic_hold_again(topic);
	group->topic = topic;
	group->position = position;
	group->moved_at = ++time_of_groups;
	group->next = topic->groups;
	topic->groups = group;
	return group;
}

void
group_end(Group *group)
{
	Group	  **place = &group->topic->groups;

	if (group->count > 0 || group->queued || group->state == READING || group->state == DELIVERING)
		return;
	while (*place != group)
		place = &(*place)->next;
	*place = group->next;
	topic_release(group->topic);
	free(group);
}

void
group_add(Group *group, Member *member)
{
	const int	page = member->follower->page(member);

	if (group->page < page)
		group->page = page < PAGE_CHANGES ? page : PAGE_CHANGES;
	/* Before all others, who may yet have to be handed a frame that it has. */
	member->group = group;
	member->position = group->position;
	member->previous = NULL;
	member->next = group->first;
	if (group->first)
		group->first->previous = member;
	group->first = member;
	group->count++;
}

void
group_remove(Group *group, Member *member)
{
	if (group->next_member == member)
		group->next_member = member->next;
	if (member->next)
		member->next->previous = member->previous;
	if (member->previous)
		member->previous->next = member->next;
	else
		group->first = member->next;
	group->count--;
	member->group = NULL;
}

/* Merges a group with another one at the same position, if there is one. */
static void
group_merge(Group *group)
{
	Group	   *other = group->topic->groups;

	while (other && (other == group || other->state != IDLE || !position_equal(other->position, group->position)))
		other = other->next;
	if (other == NULL)
		return;
	if (other->count > group->count)
	{
		Group	   *larger = other;

		other = group;
		group = larger;
	}
	if (other->due)
		group_make_due(group);
	group->current |= other->current;
	while (other->first)
	{
		Member	   *member = other->first;

		group_remove(other, member);
		group_add(group, member);
	}
	group_end(other);
}

void
group_rest(Group *group)
{
	group->state = IDLE;
	if (group->count == 0)
	{
		group_end(group);
		return;
	}
	if (group->due)
		group_make_due(group);
	group_merge(group);
}

void
group_move(Group *group, Position position)
{
	group->before = group->position;
	group->position = position;
	group->moved_at = ++time_of_groups;
}

bool
group_join(Member *member, const Audience *audience, int chat, Position position)
{
	Topic	   *topic = topic_hold(audience->application, chat, audience->token, audience->token_length);
	Group	   *group;

	if (topic == NULL)
		return false;
	group = topic->groups;
	while (group && (group->state == PAUSED || !position_equal(group->position, position)))
		group = group->next;
	if (group == NULL)
	{
		group = group_make(topic, position);
		if (group)
			group_make_due(group);
	}
	if (group)
		group_add(group, member);
	topic_release(topic);
	return group != NULL;
}

void
group_leave(Member *member)
{
	Group	   *group = member->group;

	if (group == NULL)
		return;
	group_remove(group, member);
	group_end(group);
}

void
group_resume(Member *member)
{
	if (member->group && member->group->state == PAUSED)
		group_rest(member->group);
}

uint64_t
group_time(void)
{
	return time_of_groups;
}

static void
topic_changed(Topic *topic)
{
	for (Group *group = topic->groups; group; group = group->next)
		group_make_due(group);
}

void
groups_chat_changed(int application, int chat)
{
	topics_of_chat(application, chat, topic_changed);
}
