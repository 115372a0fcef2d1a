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
	DIFFERENCE_STALE,			/* a document with another body */
	DIFFERENCE_SURPLUS			/* a document without a message */
} DifferenceKind;

typedef struct Difference
{
	MessageKey	key;
	DifferenceKind kind;
} Difference;

/* Called for differences, in key order. The callee may change the array during the call. */
typedef void (*DifferenceCallback) (const Difference *differences, int count, void *context);

/* A position below every key, and a chat above every chat. */
#define ES_COMPARE_START ((MessageKey) {PG_INT32_MIN, PG_INT32_MIN, PG_INT32_MIN})
#define ES_COMPARE_END ((ChatKey) {PG_INT32_MAX, PG_INT32_MAX})

/* The most messages of a slice. */
#define ES_COMPARE_SLICE 20000

/* A comparison that is under way. The caller sets all of it. */
typedef struct EsCompare
{
	TableAccess table;
	EsIndexAccess access;
	MessageKey	position;		/* compared through this key; advances */
	ChatKey		last;			/* the last chat to compare */
	int			slice_size;		/* messages */
	uint64		compared;		/* messages so far; grows */
	DifferenceCallback report;
	void	   *context;
} EsCompare;

extern bool es_compare_slice(EsCompare *comparison);

#endif							/* PG_CHAT_ES_COMPARE_H */
