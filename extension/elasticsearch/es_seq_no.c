/*
 * es_seq_no.c
 *	  How many operations an index in Elasticsearch has seen.
 *
 * Each shard numbers the changes of its documents 0, 1, 2 and so on: its
 * sequence numbers. The sum of what all shards of an index have reached is
 * called its operations here. Each document that is indexed or deleted adds
 * one, and nothing takes one back. So an index that has seen as many as this
 * database recorded holds what this database sent. With more, somebody else
 * changed it, or this database did so in a future that it has lost, since it
 * was restored from a backup or a disk snapshot, or is a promoted standby.
 * With fewer, the index lost something.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "common/due_time.h"
#include "common/json_read.h"
#include "elasticsearch/es_client.h"
#include "elasticsearch/es_seq_no.h"

/* The pause before another question after one that was not answered. */
#define PAUSE_MS 5000

/* A limit that no shard reaches. */
#define SEQ_NO_MAX (INT64CONST(1) << 53)

static const char *
path(const char *index)
{
	return psprintf("/%s/_stats/docs?level=shards", index);
}

/*
 * Read the operations of a shard, from those of its copies. Returns false if
 * its primary is not among them.
 */
static bool
read_shard(const JsonbContainer *copies, int64 *operations)
{
	for (uint32 i = 0; copies != NULL && i < JsonContainerSize(copies); i++)
	{
		const JsonbContainer *copy = json_container(json_element(copies, i));
		int64		last;

		if (!json_is_true(json_member(json_container(json_member(copy, "routing")), "primary")))
			continue;
		if (!json_integer(json_member(json_container(json_member(copy, "seq_no")), "max_seq_no"), &last) ||
			last < -1 || last > SEQ_NO_MAX)
			return false;
		*operations = last + 1;
		return true;
	}
	return false;
}

/*
 * The operations of an index, from Elasticsearch's answer. Raises 08006 if it
 * does not have them.
 */
static int64
read_index(const Jsonb *answer, const char *index)
{
	const JsonbContainer *indices = json_container(json_member(&answer->root, "indices"));
	const JsonbContainer *shards = json_container(json_member(json_container(json_member(indices, index)), "shards"));
	int64		sum = 0;

	if (shards == NULL || !JsonContainerIsObject(shards))
		es_raise("Elasticsearch does not tell of the shards of the index");
	for (uint32 i = 0; i < JsonContainerSize(shards); i++)
	{
		int64		operations;

		if (!read_shard(json_container(json_member(shards, psprintf("%u", i))), &operations))
			es_raise("Elasticsearch does not tell what was done to a shard of the index");
		sum += operations;
	}
	return sum;
}

/*
 * Ask for the operations of the index with this name, without waiting. The
 * answer counts everything that was acknowledged before. Aborts a question that
 * is under way.
 */
void
es_seq_no_ask(EsSeqNoQuestion *question, const char *index)
{
	es_seq_no_end(question);
	question->request = es_begin("GET", path(index), NULL, ES_TIMEOUT_MS);
}

/* Abort a question, if one is under way. */
void
es_seq_no_end(EsSeqNoQuestion *question)
{
	if (question->request != NULL)
		http_end(question->request);
	question->request = NULL;
}

/*
 * Take the answer, if it has arrived. Returns whether *operations is known; if
 * the answer is none, *problem says why, and no question may be asked for a
 * while.
 */
bool
es_seq_no_take(EsSeqNoQuestion *question, const char *index, int64 *operations, const char **problem)
{
	MemoryContext caller = CurrentMemoryContext;
	volatile bool known = false;

	if (question->request == NULL || !question->request->done)
		return false;
	PG_TRY();
	{
		const char *trouble;
		Jsonb	   *answer = es_json(question->request, &trouble);

		if (answer == NULL)
			es_raise(trouble);
		*operations = read_index(answer, index);
		known = true;
	}
	PG_CATCH();
	{
		es_catch(caller, problem);
		question->next = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), PAUSE_MS);
	}
	PG_END_TRY();
	es_seq_no_end(question);
	return known;
}

/* Whether a question may be asked: none is under way, and none failed recently. */
bool
es_seq_no_may_ask(const EsSeqNoQuestion *question)
{
	return question->request == NULL &&
		due_time_left_ms(GetCurrentTimestamp(), question->next, PAUSE_MS) == 0;
}

/*
 * Ask for the operations of an index, and wait for the answer. Raises 08006 if
 * Elasticsearch does not tell.
 */
int64
es_seq_no_count(const char *index)
{
	const char *problem;
	int			status;
	Jsonb	   *answer = es_call("GET", path(index), NULL, ES_WORKER_WAIT_MS, &status, &problem);

	if (answer == NULL)
		es_raise(problem);
	return read_index(answer, index);
}
