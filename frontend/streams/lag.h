/*
 * lag.h
 *		How long after a change those who follow its chat were sent it.
 */
#ifndef CHATD_LAG_H
#define CHATD_LAG_H

#include "streams/frame.h"

/* Counts that so many followers were sent the first changes of a frame, now. */
extern void lag_count(const Frame *frame, int events, int followers);

#endif
