/*
 * es_index_rows.h
 *	  The rows of chat_internal.search_indexes: see es_index_rows.c.
 */
#ifndef PG_CHAT_ES_INDEX_ROWS_H
#define PG_CHAT_ES_INDEX_ROWS_H

#include "postgres.h"

#include "nodes/pg_list.h"

typedef enum EsIndexState
{
	INDEX_BUILDING,
	INDEX_CURRENT,
	INDEX_RETIRED
} EsIndexState;

/* A row of chat_internal.search_indexes. */
typedef struct EsIndex
{
	int32		id;
	char	   *name;
	char	   *alias;
	bool		verified;		/* in sync, except for what is pending, since the server started */
	bool		unverified;		/* marked so, until it is verified again */
	int64		operations;		/* seen when that was last recorded */
	char	   *uuid;			/* NULL: cannot be used, or not yet */
	bool		elsewhere;		/* last seen at another URL */
	EsIndexState state;
	bool		rebuild;		/* to be replaced by another */

	/* Not a column: Elasticsearch just confirmed that the index is as it was created. */
	bool		checked;
} EsIndex;

extern bool es_index_current(int32 *id, char **name);
extern List *es_index_rows_read(int64 *last_version);
extern EsIndex *es_index_in_state(List *indexes, EsIndexState state);
extern char *es_index_row_insert(EsIndexState state);
extern void es_index_row_enable(const EsIndex *index, const char *uuid);
extern void es_index_row_retire(const EsIndex *index);
extern void es_index_row_replace(const EsIndex *old, const EsIndex *new);
extern void es_index_mark_verified(const EsIndex *index, int64 operations);
extern void es_index_mark_unverified(const EsIndex *index, int64 operations, int64 version);
extern void es_index_note_progress(int32 id, int64 version, const int64 *operations);

#endif							/* PG_CHAT_ES_INDEX_ROWS_H */
