/*
 * es_scan.h
 *	  Documents in a range of keys: see es_scan.c.
 */
#ifndef PG_CHAT_ES_SCAN_H
#define PG_CHAT_ES_SCAN_H

#include "postgres.h"

#include "common/keys.h"

/* The keys above one, through another. */
typedef struct KeyRange
{
	MessageKey	above;
	MessageKey	through;
} KeyRange;

/* A bucket has the numbers of a chat from start to start + BUCKET_SIZE - 1. */
#define BUCKET_SIZE 10000

/* The contents of a bucket. */
typedef struct Bucket
{
	int32		application;
	int32		chat;
	int64		start;
	int64		count;
	int64		sum;			/* of the checksums */
} Bucket;

typedef struct Document
{
	MessageKey	key;
	int64		checksum;
} Document;

/* The most ranges that es_scan_documents() takes at a time. */
#define KEY_RANGES_MAX 200

/* The most buckets, or documents, that are read at a time. */
#define ES_SCAN_PAGE 5000

/* An index, and how to ask it. */
typedef struct EsIndexAccess
{
	const char *name;
	long		timeout_ms;		/* time that Elasticsearch has for an answer */
} EsIndexAccess;

extern MessageKey es_scan_bucket_last(const Bucket *bucket);
extern void es_scan_refresh(const EsIndexAccess *index);
extern int	es_scan_buckets(const EsIndexAccess *index, KeyRange range, const Bucket *after, Bucket *buckets);
extern int	es_scan_documents(const EsIndexAccess *index, const KeyRange *ranges, int ranges_count,
							  const Document *after, Document *documents);

#endif							/* PG_CHAT_ES_SCAN_H */
