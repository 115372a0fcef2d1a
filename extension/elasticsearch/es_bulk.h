/*
 * bulk.h
 *	  Sending a batch to Elasticsearch: see bulk.c.
 */
#ifndef PG_CHAT_BULK_H
#define PG_CHAT_BULK_H

#include "elasticsearch/es_batch.h"

/* What came of sending a batch. */
typedef enum BulkOutcome
{
	BULK_DONE,					/* each message has its fate */
	BULK_SMALLER,				/* all are to be sent again, in smaller batches */
	BULK_SLOWER,				/* some or all are to be sent again, more slowly */
	BULK_REFUSED,				/* some were refused for what they are: is the mapping as it should be? */
	BULK_FAILED					/* nothing is known of any */
} BulkOutcome;

extern void bulk_begin(const Feed *feed, Batch *batch);
extern BulkOutcome bulk_end(const Feed *feed, Batch *batch, const char **problem);

#endif							/* PG_CHAT_BULK_H */
