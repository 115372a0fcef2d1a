/*
 * follow.c
 *		All that follows chats, for the event loop.
 */
#include "streams/cursor_watch.h"
#include "streams/directory.h"
#include "streams/follow.h"
#include "streams/group.h"
#include "streams/hints.h"
#include "streams/permission.h"
#include "streams/stream.h"
#include "streams/sweep.h"

void
follow_run(void)
{
	hints_run();
	sweep_run();
	groups_run();
	cursors_run();
}

bool
follow_is_busy(void)
{
	return groups_are_busy() || cursors_are_busy();
}

void
follow_end_iteration(void)
{
	streams_free();
}

void
follow_tick(void)
{
	streams_tick();
	groups_tick();
	directories_tick();
	cursors_tick();
	permissions_tick();
	sweep_tick();
}

void
follow_stop(void)
{
	streams_stop();
}

bool
follow_has_ended(void)
{
	return streams_count() == 0;
}
