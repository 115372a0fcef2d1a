/*
 * poll.h
 *		A client that waits for the next changes of a chat, and has them as one response.
 */
#ifndef CHATD_POLL_H
#define CHATD_POLL_H

#include "streams/audience.h"
#include "streams/frame.h"
#include "streams/position.h"

/*
 * Waits, for so many ms at most, for changes after a position; then sends the first ones, limit at most, to the
 * socket of an audience, which is taken over, and closes it.
 */
extern void poll_open(const Audience *audience, int chat, Position position, int wait, int limit);

/*
 * The body of a response to a client whose position the chat never had, or has no more: it tells the
 * chat's own. malloc'ed; NULL if out of memory.
 */
extern char *poll_lost(Position position);

#endif
