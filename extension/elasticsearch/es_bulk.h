/*
 * es_bulk.h
 *	  Sending a batch to Elasticsearch: see es_bulk.c.
 */
#ifndef PG_CHAT_ES_BULK_H
#define PG_CHAT_ES_BULK_H

#include "elasticsearch/es_batch.h"

/* The result of sending a batch. */
typedef enum EsBulkResult
{
	BULK_DONE,					/* each message has its fate */
	BULK_SMALLER,				/* all are to be sent again, in smaller batches */
	BULK_SLOWER,				/* some or all are to be sent again, more slowly */
	BULK_REFUSED,				/* some were refused for their contents, or the index is wrong */
	BULK_FAILED					/* no outcome is known */
} EsBulkResult;

extern void es_bulk_begin(const char *index, EsBatch *batch);
extern EsBulkResult es_bulk_end(const char *index, EsBatch *batch, const char **problem);

#endif							/* PG_CHAT_ES_BULK_H */
