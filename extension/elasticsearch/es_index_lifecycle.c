/*
 * es_index_lifecycle.c
 *	  The life of an index in Elasticsearch.
 *
 * An index has a row in chat_internal.search_indexes before anything of it is in
 * Elasticsearch, and until nothing of it is. From the row on, changes are
 * queued for it. It is used, that is, kept in sync and searched, once its row
 * has the uuid that Elasticsearch gave it:
 *
 *	- it was created there, and its mapping and settings are those that were
 *	  asked for; a template may have had others in mind;
 *	- all transactions have ended that were under way when its row was
 *	  committed: they may not have seen the row, and so may not have queued what
 *	  they changed. Their changes are then read from the tables.
 *
 * After a promotion, or when a backup or a disk snapshot was restored, the index
 * may hold messages that the table has lost. So after each start of the server an
 * index is not searched until it is verified: the operations it has seen are as
 * many as were recorded (see es_seq_no.c), or it was compared with the table. A
 * copy of the database gets indexes of its own.
 *
 * The name of an index is never reused. An alias always points to the current
 * index, for others to search. An index that was deleted from Elasticsearch is
 * built anew. One whose mapping or settings were changed is not used, and is
 * reported, until they are restored.
 *
 * If Elasticsearch does not answer in time, only the index that the request was
 * about has a problem, and no further request is made for a while. Batches that
 * are under way continue.
 */
#include "postgres.h"

#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "elasticsearch/es_client.h"
#include "elasticsearch/es_index_forget.h"
#include "elasticsearch/es_index_lifecycle.h"
#include "elasticsearch/es_index_requests.h"
#include "elasticsearch/es_stray_rows.h"
#include "elasticsearch/old_transactions.h"

/* Pause before a request is made again that was refused, or not answered. */
#define ASK_AGAIN_MS 10000

/* A problem. For a while it is reported again without repeating the request. */
typedef struct LastProblem
{
	char	   *text;			/* NULL: there is none */
	TimestampTz noted;
} LastProblem;

/* Why Elasticsearch would not create or delete an index. */
static LastProblem refused = {0};

/* Why it did not answer. */
static LastProblem unanswered = {0};

/* Remember a problem, or forget it, if text is NULL. */
static void
note(LastProblem *last, const char *text)
{
	if (last->text != NULL)
		pfree(last->text);
	last->text = text != NULL ? MemoryContextStrdup(TopMemoryContext, text) : NULL;
	last->noted = GetCurrentTimestamp();
}

/* Whether it is too early to repeat the request. If so, *problem is the problem it had. */
static bool
is_recent(const LastProblem *last, const char **problem)
{
	TimestampTz now = GetCurrentTimestamp();

	if (last->text == NULL || now < last->noted ||
		TimestampDifferenceExceeds(last->noted, now, ASK_AGAIN_MS))
		return false;
	*problem = pstrdup(last->text);
	return true;
}

/* Delete the row of an index, and what this process knows about it. */
static void
forget(const EsIndex *index)
{
	es_index_row_delete(index);
	old_transactions_forget(index->id);
}

/* Start to build an index, by giving it a row. */
static void
begin_row(EsIndexState state)
{
	ereport(LOG, (errmsg("pg_chat begins to build the index \"%s\" in Elasticsearch",
						 es_index_row_insert(state))));
}

/*
 * Create an index in Elasticsearch, unless it is there, and enable it. Returns
 * whether it can be used from now on; if not, *problem says why.
 */
static bool
begin(const EsIndex *index, const char **problem)
{
	char	   *uuid;

	if (is_recent(&refused, problem) || !es_index_examine(index, &uuid, problem))
		return false;
	if (uuid == NULL)
	{
		const char *refusal = es_index_create(index);

		if (!es_index_examine(index, &uuid, problem))
			return false;
		note(&refused, uuid == NULL ? refusal : NULL);
		if (uuid == NULL)
		{
			*problem = refusal != NULL ? refusal : "Elasticsearch created an index and does not have it";
			return false;
		}
	}
	if (!old_transactions_ended(index->id, problem))
		return false;
	old_transactions_forget(index->id);
	es_index_row_enable(index, uuid);
	return true;
}

/* Delete an index and its row. Returns whether both are gone; if not, *problem says why. */
static bool
end(const EsIndex *index, const char **problem)
{
	const char *refusal;

	if (is_recent(&refused, problem))
		return false;
	refusal = es_index_drop(index);
	note(&refused, refusal);
	if (refusal != NULL)
	{
		*problem = refusal;
		return false;
	}
	forget(index);
	return true;
}

/*
 * Check that Elasticsearch still has an index as it was created. If it is gone, its
 * row is deleted; if it was changed, it is disabled, and *problem says so.
 */
static bool
is_still_there(const EsIndex *index, const char **problem)
{
	char	   *uuid;

	if (!es_index_examine(index, &uuid, problem))
	{
		es_index_row_disable(index);
		return false;
	}
	if (uuid != NULL && strcmp(uuid, index->uuid) == 0)
	{
		es_index_point_alias(index, psprintf("%s-write", index->name));
		if (index->state == INDEX_CURRENT)
			es_index_point_alias(index, index->alias);
		if (index->elsewhere)
			es_index_row_enable(index, uuid);
		return true;
	}
	ereport(LOG,
			(errmsg("pg_chat: the index \"%s\" is gone from Elasticsearch; it is built anew", index->name)));
	forget(index);
	return false;
}

/*
 * Take an index to its next state, if it is due. Returns whether its row changed.
 * If it cannot be used, or could not be checked, *problem says why.
 */
static bool
maintain(EsIndex *index, bool check, const char **problem)
{
	MemoryContext caller = CurrentMemoryContext;
	volatile bool changed = false;

	if (index->state != INDEX_RETIRED && index->uuid != NULL && !check && !index->elsewhere)
		return false;
	if (is_recent(&unanswered, problem))
		return false;
	PG_TRY();
	{
		if (index->state == INDEX_RETIRED)
			changed = end(index, problem);
		else if (index->uuid == NULL)
			changed = begin(index, problem);
		else
		{
			index->checked = is_still_there(index, problem);
			changed = !index->checked || index->elsewhere;
		}
		note(&unanswered, NULL);
	}
	PG_CATCH();
	{
		es_catch(caller, problem);
		note(&unanswered, *problem);
	}
	PG_END_TRY();
	return changed;
}

/*
 * Start an index that has no row yet, or retire one that is no longer wanted.
 * Returns whether a row was inserted or changed.
 */
static bool
change_rows(List *indexes)
{
	const EsIndex *current = es_index_in_state(indexes, INDEX_CURRENT);
	const EsIndex *building = es_index_in_state(indexes, INDEX_BUILDING);

	if (current == NULL)
		begin_row(INDEX_CURRENT);
	else if (current->rebuild && building == NULL)
		begin_row(INDEX_BUILDING);
	else if (building != NULL && building->rebuild)
		es_index_row_retire(building);
	else
		return false;
	return true;
}

/*
 * Maintain the indexes that should exist: a current one and, if that is to be
 * replaced, one that is being built. Others are deleted. With check, Elasticsearch
 * is asked whether it still has them as they were created. Returns whether any row
 * changed, so that the caller must read them again. If an index cannot be used, or
 * could not be checked, *problem says why, in the current memory context.
 */
bool
es_indexes_maintain(List *indexes, bool check, const char **problem)
{
	ListCell   *cell;
	bool		changed = false;

	if (check)
		es_stray_rows_delete();
	if (change_rows(indexes))
		return true;
	foreach(cell, indexes)
		changed |= maintain(lfirst(cell), check, problem);
	return changed;
}

/*
 * Replace the current index, which is retired, by a new one. Raises 08006 if
 * Elasticsearch does not point the alias to it.
 */
void
es_index_replace(const EsIndex *old, const EsIndex *new)
{
	es_index_point_alias(new, new->alias);
	/* Durable before the old index is deleted. */
	es_index_row_replace(old, new);
	ereport(LOG, (errmsg("pg_chat: the index \"%s\" took the place of \"%s\"", new->name, old->name)));
}

/*
 * Delete the rows of all indexes, since Elasticsearch is no longer used. The
 * indexes themselves stay there.
 */
void
es_indexes_forget(void)
{
	int64		last_version;
	ListCell   *cell;

	foreach(cell, es_index_rows_read(&last_version))
		forget(lfirst(cell));
	es_stray_rows_delete();
}
