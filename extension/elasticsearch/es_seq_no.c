/*
 * es_seq_no.c
 *	  How many operations an index in Elasticsearch has seen.
 *
 * Each shard numbers what is done to its documents: 0, 1, 2, its sequence
 * numbers. How far all shards of an index have come together is called its
 * operations here. With each document that is indexed or deleted there is one
 * more, and nothing takes one back. So an index that has seen as many as this
 * database remembers holds what this database sent. With more, somebody else
 * changed it, or this database did so in a future that it lost: it was restored
 * from a backup or a snapshot of its disk, or is a standby that was promoted.
 * With fewer, the index lost something.
 */
#include "postgres.h"

#include "common/json_read.h"
#include "elasticsearch/es_client.h"
#include "elasticsearch/es_seq_no.h"

/* More than any shard will have seen. */
#define SEQ_NO_MAX (INT64CONST(1) << 53)

static const char *
path(const char *index)
{
	return psprintf("/%s/_stats/docs?level=shards", index);
}

/* The operations of a shard, from those of its copies; false if its primary is not among them. */
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

/* The operations of an index, from what Elasticsearch told of it. */
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
 * Begin to ask for the operations of an index. All that was acknowledged before
 * is counted.
 */
HttpRequest *
es_seq_no_begin(const char *index)
{
	return es_begin("GET", path(index), NULL, ES_TIMEOUT_MS);
}

/*
 * What a request, which is done, was begun for. Raises an error if
 * Elasticsearch did not tell.
 */
int64
es_seq_no_read(const HttpRequest *request, const char *index)
{
	const char *problem;
	Jsonb	   *answer = es_json(request, &problem);

	if (answer == NULL)
		es_raise(problem);
	return read_index(answer, index);
}

/*
 * Ask for the operations of an index, and wait. Raises an error if Elasticsearch
 * did not tell.
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
