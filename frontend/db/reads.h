/*
 * reads.h
 *		Queries that change nothing, over a few sessions.
 */
#ifndef CHATD_READS_H
#define CHATD_READS_H

#include "http/request.h"

/*
 * Queues request->work for a lane of reads. The request is answered at once if
 * the database is away or the queue is full.
 */
extern void reads_submit(Request *request, Lane lane);

/* At the end of a turn: sends what is queued. */
extern void reads_turn(void);

/* Once a second: answers what has waited too long. */
extern void reads_tick(void);

#endif
