/*
 * es_refresh.h
 *	  Making batches visible to searches: see es_refresh.c.
 */
#ifndef PG_CHAT_ES_REFRESH_H
#define PG_CHAT_ES_REFRESH_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"

#include "elasticsearch/es_batch_reader.h"
#include "elasticsearch/es_seq_no.h"

/* The refreshes of an index. */
typedef struct EsRefresh
{
	HttpRequest *request;		/* under way; else NULL */
	TimestampTz next;			/* not before, while there is more to send */
	EsSeqNoQuestion counting;	/* how many operations the index has seen */
	bool		counted;		/* that is recorded */
} EsRefresh;

extern bool es_refresh_is_under_way(const EsRefresh *refresh);
extern void es_refresh_begin(EsRefresh *refresh, const char *index, List *batches, bool at_once);
extern List *es_refresh_end(EsRefresh *refresh, const char *index, EsBatchReader *reader, List *batches,
							uint64 *done, const char **problem);
extern void es_refresh_count_operations(EsRefresh *refresh, const char *index, int32 index_id,
										const char **problem);
extern void es_refresh_abort(EsRefresh *refresh);

#endif							/* PG_CHAT_ES_REFRESH_H */
