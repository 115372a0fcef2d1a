/*
 * es_unverified.c
 *	  Indexes that may be out of sync, and the end of that.
 *
 * The job that keeps indexes in sync decides which index has to be verified as a
 * whole. The job that verifies compares it, and reports when it is done. The former
 * then marks the index verified.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "common/due_time.h"
#include "elasticsearch/es_client.h"
#include "elasticsearch/es_index_lifecycle.h"
#include "elasticsearch/es_seq_no.h"
#include "elasticsearch/es_senders.h"
#include "elasticsearch/es_unverified.h"
#include "elasticsearch/es_version.h"

/* The pause before another attempt to mark an index verified. */
#define MARK_AGAIN_MS 10000

/* Whether an index has to be verified as a whole. */
static bool exists = false;

/* The id of the index that was compared as a whole, to be marked verified; 0: none. */
static int32 compared = 0;

/* When to mark it. */
static TimestampTz next_mark = 0;

/*
 * The index that has to be verified as a whole, or NULL: one that is being built,
 * once it has all messages that were there when it was begun, else the current one,
 * if it is not verified.
 */
EsIndex *
es_unverified_index(List *indexes)
{
	EsIndex    *current = es_index_in_state(indexes, INDEX_CURRENT);
	EsIndex    *building = es_index_in_state(indexes, INDEX_BUILDING);
	const EsSender *sender = es_senders_of(building);

	if (sender != NULL && !building->rebuild && sender->reader->caught_up)
		return building;
	return current != NULL && !current->verified && es_senders_of(current) != NULL ? current : NULL;
}

/*
 * Mark the index verified if the operations that it has seen are as many as were
 * recorded, or else unverified. Does nothing while the count is not settled, nor if
 * the index is marked unverified already. A failure is set in *problem.
 */
void
es_unverified_check_operations(EsIndex *index, const char **problem)
{
	MemoryContext caller = CurrentMemoryContext;
	EsSender   *sender = es_senders_of(index);
	int64		operations;

	if (sender == NULL || index->unverified || (index->verified && !es_sender_is_settled(sender)))
		return;
	PG_TRY();
	{
		operations = es_seq_no_count(index->name);
		if (operations != index->operations)
			es_index_mark_unverified(index, operations, es_version_skip_lost());
		else if (!index->verified)
			es_index_mark_verified(index, operations);
		index->verified = operations == index->operations;
	}
	PG_CATCH();
	{
		es_catch(caller, problem);
	}
	PG_END_TRY();
}

/*
 * Mark the index verified that was compared as a whole, unless another has to be
 * by now. If it was built to replace the current one, it does. Returns whether the
 * rows of indexes changed. A failure is set in *problem; the next attempt is made
 * after a pause.
 */
bool
es_unverified_mark_compared(List *indexes, const char **problem)
{
	MemoryContext caller = CurrentMemoryContext;
	const EsIndex *current = es_index_in_state(indexes, INDEX_CURRENT);
	const EsIndex *index = es_unverified_index(indexes);
	volatile bool marked = false;

	if (compared == 0 || !due_time_passed(&next_mark, MARK_AGAIN_MS))
		return false;
	if (index == NULL || current == NULL || index->id != compared)
	{
		compared = 0;
		return false;
	}
	PG_TRY();
	{
		es_index_mark_verified(index, es_seq_no_count(index->name));
		if (index != current)
			es_index_replace(current, index);
		compared = 0;
		marked = true;
	}
	PG_CATCH();
	{
		es_catch(caller, problem);
	}
	PG_END_TRY();
	return marked;
}

/*
 * Remember for es_unverified_exists() whether an index has to be verified as a
 * whole.
 */
void
es_unverified_update(List *indexes)
{
	exists = es_unverified_index(indexes) != NULL;
}

/*
 * Whether an index has to be compared as a whole, as of the last
 * es_unverified_update().
 */
bool
es_unverified_exists(void)
{
	return exists && compared == 0;
}

/*
 * Report that an index was compared as a whole, and is in sync except for what is
 * pending.
 */
void
es_unverified_note_compared(const EsIndex *index)
{
	compared = index->id;
	next_mark = 0;
}

/* Forget everything: Elasticsearch is no longer used. */
void
es_unverified_reset(void)
{
	exists = false;
	compared = 0;
}
