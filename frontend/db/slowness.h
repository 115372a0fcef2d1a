/*
 * slowness.h
 *		Which statements took long for an application lately.
 *
 * How long a statement will take is not known in advance: one that reads a page may pass over
 * a million deleted messages. A slow execution lets others of the same kind and application be
 * expected to be slow, for so long that those that were not expected to be take a small part of
 * the time. What was slow once, for whatever reason, soon is not any more.
 */
#ifndef CHATD_SLOWNESS_H
#define CHATD_SLOWNESS_H

#include "db/query.h"

/* Is the query expected to be slow? */
extern bool query_is_slow(const Query *query);

/* Notes for how long the query was executed, by its operation, which is done, and was of so many queries. */
extern void query_note_time(const Query *query, const Operation *operation, int count);

#endif
