/*
 * group_run.c
 *		Groups read, and hand out what they have read.
 *
 * Frames are handed out in slices, since a group may be large. A group that could not read,
 * since the database is away or clients have taken too much memory, tries again at the next
 * tick, or when there is memory again.
 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "common/loop.h"
#include "db/reads.h"
#include "metrics/figures.h"
#include "streams/group.h"
#include "streams/group_state.h"
#include "streams/lag.h"

#define SLICE_MEMBERS 256		/* that are handed a frame in one iteration of the loop */
#define SLICE_TEXT (4 * 1024)	/* bytes made for a member; one that needs more counts as several */

/* Columns of LIST_CHANGES. */
enum
{
	CHANGES,
	CHANGES_COUNT,
	CHANGES_CUT,
	CHANGES_POSITION,
	CHANGES_FIELD				/* not null: the position is beyond the chat's */
};

static Group *delivering;

static Group *
group_of(Query *query)
{
	return (Group *) ((char *) query - offsetof(Group, query));
}

/* The chat is no more. */
static void
group_gone(Group *group)
{
	while (group->first)
	{
		Member	   *member = group->first;

		group_remove(group, member);
		member->follower->gone(member);
	}
	group_end(group);
}

/* Could not read: it tries again at the next tick. */
static void
group_wait(Group *group)
{
	group->state = IDLE;
	group->due = true;
	if (group->count == 0)
		group_end(group);
	else if (!group->queued)
		group_push(&groups_waiting, group);
}

static void
on_failed(Query *query, const Failure *failure)
{
	Group	   *group = group_of(query);

	if (failure->sqlstate && strcmp(failure->sqlstate, NO_SUCH_ROW) == 0)
	{
		group->state = IDLE;
		group_gone(group);
	}
	else
		group_wait(group);
}

static void
on_succeeded(Query *query, const Rows *rows)
{
	Group	   *group = group_of(query);
	int			count = rows_number(rows, 0, CHANGES_COUNT);
	const char *position = PQgetvalue(rows->result, rows->first, CHANGES_POSITION);
	Position	end;
	Frame	   *frame = NULL;

	/* A position that the chat has not reached is for the sweep. */
	if (PQgetisnull(rows->result, rows->first, CHANGES_FIELD) && position_parse(position, strlen(position), &end))
		frame = frame_of_changes(PQgetvalue(rows->result, rows->first, CHANGES), count, end,
								 group->first ? group->first->share : NULL);
	if (frame == NULL)
	{
		group_wait(group);
		return;
	}
	if (group->count == 0 || position_equal(frame->end, group->position))
	{
		frame_release(frame);
		group->current = true;
		group_rest(group);
		return;
	}
	group->frame = frame;
	group->more = count == group->page || *PQgetvalue(rows->result, rows->first, CHANGES_CUT) == 't';
	group->state = DELIVERING;
	group->next_member = group->first;
	group_move(group, frame->end);
	group->next_delivering = delivering;
	delivering = group;
}

static void
group_read(Group *group)
{
	const Topic *topic = group->topic;
	Query	   *query = &group->query;

	if (!share_has_room(group->first->share, MEMORY_OF_STREAMS, FRAME_ROOM))
	{
		group_wait(group);
		return;
	}
	if (group->count == 1 && !group->first->follower->has_room(group->first))
	{
		group->state = PAUSED;
		return;
	}
	group->due = false;
	group->state = READING;
	*query = (Query) {
		.statement = LIST_CHANGES,
		.pool = POOL_READ,
		.max_rows = group->page,
		.since = loop_now(),
		.succeeded = on_succeeded,
		.failed = on_failed
	};
	query_add_text(query, topic->token, topic->token_length);
	query_add_number(query, topic->chat);
	query_add_number(query, group->position.number);
	query_add_number(query, group->position.revision);
	query_add_number(query, group->page);
	reads_submit(query);
}

/*
 * Moves a member into another group. Returns false if that is NULL, for lack of memory: the
 * member's position is lost, so it cannot follow any more.
 */
static bool
move_member(Group *group, Member *member, Group *other)
{
	group_remove(group, member);
	if (other)
		group_add(other, member);
	else
		member->follower->gone(member);
	return other != NULL;
}

/* Leaves a member without room for the frame behind, as a group of its own. */
static void
leave_alone(Group *group, Member *member)
{
	Group	   *own = group_make(group->topic, group->before);

	if (!move_member(group, member, own))
		return;
	if (share_has_room(member->share, MEMORY_OF_STREAMS, FRAME_ROOM))
	{
		own->state = PAUSED;
		own->due = true;
	}
	else
		group_wait(own);
}

/* Leaves a member that takes a part of the frame behind at the end of that, with those that are there. */
static bool
leave_behind(Group *group, Member *member, Position position)
{
	Group	   *other = group->topic->groups;

	while (other && (other == group || other->state != IDLE || !position_equal(other->position, position)))
		other = other->next;
	if (other == NULL)
		other = group_make(group->topic, position);
	if (!move_member(group, member, other))
		return false;
	group_make_due(other);
	return true;
}

/* Hands the frame to members, so many at most. Returns how many that were, and whether that was all. */
static int
deliver(Group *group, int limit, bool *all)
{
	int			done = 0;
	int			complete = 0;	/* of those who sent it all */

	while (group->next_member && done < limit)
	{
		Member	   *member = group->next_member;
		int			count = group->frame->count;
		Taken		taken;

		group->next_member = member->next;
		done++;
		if (!member->follower->has_room(member))
		{
			leave_alone(group, member);
			continue;
		}
		if (count > 0)
			count = member->follower->portion(member, group->frame);
		if (count == group->frame->count)
			member->position = group->position;
		else if (!leave_behind(group, member, group->frame->events[count - 1].position))
			continue;
		taken = member->follower->take(member, group->frame, count);
		done += taken.text / SLICE_TEXT;
		figures->events += taken.changes;
		if (taken.changes == group->frame->count)
			complete++;
		else if (group->current)
			lag_count(group->frame, taken.changes, 1);
	}
	if (group->current && complete > 0)
		lag_count(group->frame, group->frame->count, complete);
	*all = group->next_member == NULL;
	return done;
}

/* Hands out frames of all groups, in turns. */
static void
deliver_slice(void)
{
	int			limit = SLICE_MEMBERS;
	Group	  **place = &delivering;

	while (*place && limit > 0)
	{
		Group	   *group = *place;
		bool		all;

		limit -= deliver(group, limit, &all);
		if (!all)
		{
			place = &group->next_delivering;
			continue;
		}
		*place = group->next_delivering;
		group->due |= group->more;
		group->current |= !group->more;
		frame_release(group->frame);
		group->frame = NULL;
		group_rest(group);
	}
}

void
groups_run(void)
{
	Group	   *group;

	if (groups_waiting.first && frames_gave_room())
		groups_tick();
	deliver_slice();
	while ((group = group_pop(&groups_due)) != NULL)
	{
		if (group->count == 0)
			group_end(group);
		else if (group->state == IDLE)
			group_read(group);
	}
}

bool
groups_are_busy(void)
{
	return delivering != NULL || groups_due.first != NULL;
}

void
groups_tick(void)
{
	Group	   *group;

	while ((group = group_pop(&groups_waiting)) != NULL)
	{
		if (group->count == 0)
			group_end(group);
		else
			group_make_due(group);
	}
}

/* Goes on at the chat's own position. */
static void
group_reset(Group *group, Position position)
{
	Member	   *next;

	group_move(group, position);
	for (Member *member = group->first; member; member = next)
	{
		next = member->next;
		member->position = position;
		member->follower->reset(member);
	}
	group_rest(group);
}

bool
groups_topic_found(Topic *topic, Position position, uint64_t time, bool may_reset)
{
	Group	   *group = topic->groups;
	bool		left = false;

	while (group)
	{
		Group	   *next = group->next;
		bool		beyond = position_exceeds(group->position, position);
		bool		known = group->moved_at <= time && group->count > 0 &&
			group->state != READING && group->state != DELIVERING;

		if (known && beyond && may_reset)
		{
			/* Others may have ended with it, and it has moved now. */
			group_reset(group, position);
			next = topic->groups;
		}
		else if (known && !beyond && !position_equal(group->position, position))
			group_make_due(group);
		left |= known && beyond && !may_reset;
		group = next;
	}
	return left;
}
