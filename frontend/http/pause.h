/*
 * pause.h
 *		Responses that wait before they are sent.
 *
 * A client that sends more than it may, or credentials that are not valid, and sends the
 * next request as soon as the last one is refused, would keep the loop busy with refusals,
 * at the cost of all others. As its responses wait, each of its connections gets ten of
 * them a second.
 */
#ifndef CHATD_PAUSE_H
#define CHATD_PAUSE_H

#include "http/request.h"

#define PAUSE 100				/* ms */

/* Is the response to wait? Once chatd is stopping none is: no connection may be suspended when it ends. */
extern bool pause_is_due(const Request *request);

/* Resumes the connection of a request after the pause. It is suspended until then. */
extern void pause_begin(Request *request);

#endif
