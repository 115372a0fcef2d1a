/*
 * es_difference.h
 *	  Differences that a comparison found: see es_difference.c.
 */
#ifndef PG_CHAT_ES_DIFFERENCE_H
#define PG_CHAT_ES_DIFFERENCE_H

#include "elasticsearch/es_compare.h"

extern const char *es_difference_name(DifferenceKind kind);
extern void es_difference_queue(int32 index, const Difference *differences, int count);

#endif							/* PG_CHAT_ES_DIFFERENCE_H */
