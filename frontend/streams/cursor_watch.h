/*
 * cursor_watch.h
 *		The cursors of a chat, for those who want to see who has read how far.
 *
 * A viewer gets an event for each cursor that there is, and then for each that moves. It may
 * miss none but those between two positions of the same cursor.
 */
#ifndef CHATD_CURSOR_WATCH_H
#define CHATD_CURSOR_WATCH_H

#include <stdbool.h>

#include "streams/audience.h"
#include "streams/frame.h"

typedef struct CursorViewer CursorViewer;

/* Whoever looks on. Zeroed at the start, but for take, owner and share. */
struct CursorViewer
{
	/*
	 * Takes events, with a reference of its own. May have the viewer leave, and free it. Without
	 * room for them, it sets needs_all instead, and calls cursors_show() when it has room.
	 */
	void		(*take) (CursorViewer *viewer, Frame *frame);
	void	   *owner;
	Share	   *share;			/* of the client's address */
	struct CursorWatch *watch;	/* NULL: it looks at nothing */
	bool		needs_all;		/* it has yet to see all of the cursors */
	CursorViewer *next;
	CursorViewer *previous;
};

/* Begins to look at a chat's cursors. Returns false if out of memory. */
extern bool cursors_join(CursorViewer *viewer, const Audience *audience, int chat);

/* Looks on no more. */
extern void cursors_leave(CursorViewer *viewer);

/* The viewer can take what it has yet to see. Called after it has joined, too. */
extern void cursors_show(CursorViewer *viewer);

/* A cursor of the chat may have moved. */
extern void cursors_changed(int application, int chat);

/* Those of any chat may have. */
extern void cursors_all_changed(void);

/* In each iteration of the loop: hands out events. */
extern void cursors_run(void);

/* Is there more to hand out at once? */
extern bool cursors_are_busy(void);

/* Once a second: looks at those that may have changed. */
extern void cursors_tick(void);

#endif
