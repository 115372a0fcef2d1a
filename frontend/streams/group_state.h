/*
 * group_state.h
 *		What a group is, for those who join it and for its run.
 *
 *			  due					 rows				  all have it
 *	IDLE ------------> READING ------------> DELIVERING ---------------> IDLE
 *	 ^												  |
 *	 |---- PAUSED <------- a member without room -----|
 *	 '-------------------- a member that took a part -'
 *
 * A group that becomes due while it reads or delivers reads again afterwards.
 */
#ifndef CHATD_GROUP_STATE_H
#define CHATD_GROUP_STATE_H

#include "db/query.h"
#include "streams/member.h"
#include "streams/topic.h"

typedef enum GroupState
{
	IDLE,
	READING,
	DELIVERING,
	PAUSED						/* its only member has no room */
} GroupState;

typedef struct Group
{
	Topic	   *topic;
	GroupState	state;
	Position	position;
	Position	before;			/* where the frame that is delivered begins */
	uint64_t	moved_at;		/* in group_time() */
	bool		due;			/* it is to read */
	bool		queued;			/* in one of the queues below */
	int			page;			/* how many changes it reads: as many as any of its members takes */
	bool		more;			/* there is more behind the frame */
	bool		current;		/* it once had all that there was: what it reads is new */
	Member	   *first;
	int			count;
	Query		query;
	Frame	   *frame;
	Member	   *next_member;	/* the next to be handed the frame */
	struct Group *next;			/* of the topic */
	struct Group *next_queued;
	struct Group *next_delivering;
} Group;

typedef struct GroupQueue
{
	Group	   *first;
	Group	   *last;
} GroupQueue;

/* Those that are to read at the next occasion, and those that are to read at the next tick. */
extern GroupQueue groups_due;
extern GroupQueue groups_waiting;

/* Adds a group, which is in no queue, as the last one. */
extern void group_push(GroupQueue *queue, Group *group);

/* Takes the first one out; NULL if there is none. */
extern Group *group_pop(GroupQueue *queue);

/* A new group of a topic; NULL if out of memory. */
extern Group *group_make(Topic *topic, Position position);

/* Frees a group that has no member, unless it is in use: then that ends with this. */
extern void group_end(Group *group);

/* Adds a member, which has what the group has. */
extern void group_add(Group *group, Member *member);

/* Takes a member out; the group stays, even without members. */
extern void group_remove(Group *group, Member *member);

/* It is to read. */
extern void group_make_due(Group *group);

/* Moves a group to another position. */
extern void group_move(Group *group, Position position);

/* It does nothing any more, unless it is due; it may become one with another, or end. */
extern void group_rest(Group *group);

#endif
