/*
 * es_compare.h
 *	  A search index compared with the table: see es_compare.c.
 */
#ifndef PG_CHAT_ES_COMPARE_H
#define PG_CHAT_ES_COMPARE_H

#include "elasticsearch/es_compare_table.h"

typedef enum DifferenceKind
{
	DIFFERENCE_MISSING,			/* a message without a document */
	DIFFERENCE_STALE,			/* a document that says something else */
	DIFFERENCE_SURPLUS			/* a document without a message */
} DifferenceKind;

typedef struct Difference
{
	MessageKey	key;
	DifferenceKind kind;
} Difference;

/* Called for what was found, in key order; the array is the callee's for the time of the call. */
typedef void (*DifferenceCallback) (const Difference *differences, int count, void *context);

/* Below every key, and above every chat. */
#define ES_COMPARE_START ((MessageKey) {PG_INT32_MIN, PG_INT32_MIN, PG_INT32_MIN})
#define ES_COMPARE_END ((ChatKey) {PG_INT32_MAX, PG_INT32_MAX})

/* Messages of a slice, at most. */
#define ES_COMPARE_SLICE 20000

/* A comparison that is under way; all of it is set by who begins it. */
typedef struct EsCompare
{
	TableAccess table;
	EsIndexAccess access;
	MessageKey	position;		/* through which it was compared; moves on */
	ChatKey		last;			/* to compare through */
	int			slice_size;		/* messages */
	uint64		compared;		/* messages so far; grows */
	DifferenceCallback report;
	void	   *context;
} EsCompare;

extern bool es_compare_slice(EsCompare *comparison);

#endif							/* PG_CHAT_ES_COMPARE_H */
