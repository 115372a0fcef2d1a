/*
 * member.h
 *		One of those who follow a chat.
 */
#ifndef CHATD_MEMBER_H
#define CHATD_MEMBER_H

#include <stdbool.h>

#include "http/share.h"
#include "streams/frame.h"
#include "streams/position.h"

typedef struct Member Member;

/* What has become of a frame. */
typedef struct Taken
{
	int			changes;		/* that are sent */
	size_t		text;			/* bytes made of them for the member alone */
} Taken;

/* What a member does. Any of these may have the member leave, and free it. */
typedef struct Follower
{
	/* Has it room for a frame? If not, it calls group_resume() when it has. */
	bool		(*has_room) (Member *member);

	/* How many changes it takes at once, or so; a group does not read many more. */
	int			(*page) (Member *member);

	/* How many of a frame's changes it takes at once: as many as are in it, or at least one. */
	int			(*portion) (Member *member, const Frame *frame);

	/* Takes as many changes of the frame as it said, up to its position, which has moved. */
	Taken		(*take) (Member *member, Frame *frame, int count);

	/*
	 * Its position is one that the chat never had, or has no more: a backup was restored, or the
	 * server was replaced by one that lags behind. It is now at the chat's own position.
	 */
	void		(*reset) (Member *member);

	/* The chat is no more; it has left already. */
	void		(*gone) (Member *member);
} Follower;

/* Embedded in whoever follows a chat. Zeroed at the start, but for follower, owner and share. */
struct Member
{
	const Follower *follower;
	void	   *owner;			/* whoever follows */
	Share	   *share;			/* of the client's address */
	struct Group *group;		/* NULL: it follows nothing */
	Position	position;		/* up to where it has the changes */
	Member	   *next;			/* in the group */
	Member	   *previous;
};

#endif
