/*
 * group.h
 *		Those who follow a chat and are at the same position.
 *
 * A group reads the changes after its position once for all of its members, and hands
 * each of them the same frame. Two groups that have come to the same position become one.
 * A member that has no room for a frame, or takes but the first of its changes, is left
 * behind, in another group, which reads on when there is room.
 */
#ifndef CHATD_GROUP_H
#define CHATD_GROUP_H

#include <stdbool.h>

#include "streams/audience.h"
#include "streams/member.h"
#include "streams/topic.h"

/* Begins to follow a chat after a position. Returns false if out of memory. */
extern bool group_join(Member *member, const Audience *audience, int chat, Position position);

/* Follows no more. A member that follows nothing is left as it is. */
extern void group_leave(Member *member);

/* The member has room again. */
extern void group_resume(Member *member);

/* A chat may have changed: its groups read. */
extern void groups_chat_changed(int application, int chat);

/*
 * A topic's chat was found to be at a position, as of a time of group_time(). Groups that
 * are behind it read; those beyond it are reset, if may_reset. Returns whether any is left beyond.
 */
extern bool groups_topic_found(Topic *topic, Position position, uint64_t time, bool may_reset);

/* A clock that stands still as long as no group moves. */
extern uint64_t group_time(void);

/* In each iteration of the loop: begins to read, and hands out frames. */
extern void groups_run(void);

/* Is there more to hand out at once? */
extern bool groups_are_busy(void);

/* Once a second: tries again what failed. */
extern void groups_tick(void);

#endif
