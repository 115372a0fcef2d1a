/*
 * writes.h
 *		What changes the database: messages in batches, the rest one by one.
 */
#ifndef CHATD_WRITES_H
#define CHATD_WRITES_H

#include "http/request.h"

/*
 * Queue request->work, or request->new_message. The request is answered at once
 * if the database is away or the queue is full.
 */
extern void writes_submit(Request *request);
extern void writes_submit_message(Request *request);

/* At the end of a turn: sends what is queued to writers that are idle. */
extern void writes_turn(void);

/* Once a second: answers what has waited too long. */
extern void writes_tick(void);

#endif
