/*
 * es_index_requests.c
 *	  Requests about an index as a whole: create, examine, alias, delete.
 *
 * es_index_lifecycle.c decides which of them are made.
 */
#include "postgres.h"

#include "common/json_read.h"
#include "common/json_write.h"
#include "elasticsearch/es_client.h"
#include "elasticsearch/es_document.h"
#include "elasticsearch/es_index_requests.h"
#include "elasticsearch/es_mapping.h"

int			guc_elasticsearch_shards;

/* The longest uuid that is accepted. */
#define UUID_LENGTH_MAX 100

/* For ask(): every status of a refusal is allowed. */
#define ANY_REFUSAL (-1)

/*
 * Make a request and return its answer. Returns NULL and sets *problem if the
 * answer has the allowed error status, or any, if that is ANY_REFUSAL. Raises 08006
 * for every other problem.
 */
static Jsonb *
ask(const char *method, const char *path, StringInfo body, int allowed, const char **problem)
{
	int			status;
	Jsonb	   *answer = es_call(method, path, body, ES_WORKER_WAIT_MS, &status, problem);

	if (answer == NULL && !(status == allowed || (allowed == ANY_REFUSAL && status >= 400)))
		es_raise(*problem);
	return answer;
}

/*
 * Create an index in Elasticsearch, with its alias for writes and, if it is the
 * current one, that for searches. Returns NULL, or Elasticsearch's reason for
 * refusing. Raises 08006 if there is no answer, as the other functions here do.
 */
const char *
es_index_create(const EsIndex *index)
{
	const char *problem;
	StringInfo	body = es_body(psprintf("{\"settings\": {\"index\": {\"number_of_shards\": %d, %s}},"
										" \"mappings\": %s, \"aliases\": {\"%s-write\": {}%s}}",
										guc_elasticsearch_shards, es_document_settings, es_document_mappings, index->name,
										index->state == INDEX_CURRENT ? psprintf(", \"%s\": {}", index->alias) : ""));

	(void) ask("PUT", psprintf("/%s", index->name), body, ANY_REFUSAL, &problem);
	return problem;
}

/*
 * Delete an index from Elasticsearch, if it is there. Returns NULL, or
 * Elasticsearch's reason for refusing.
 */
const char *
es_index_drop(const EsIndex *index)
{
	const char *problem;
	int			status;

	if (es_call("DELETE", psprintf("/%s", index->name), NULL, ES_WORKER_WAIT_MS, &status, &problem) == NULL &&
		status < 400)
		es_raise(problem);
	return status == 404 ? NULL : problem;
}

/*
 * Look an index up in Elasticsearch: *uuid is NULL if it is not there. Returns
 * false and sets *problem if it is there, but not as it was created.
 */
bool
es_index_examine(const EsIndex *index, char **uuid, const char **problem)
{
	const char *missing;
	Jsonb	   *answer = ask("GET", psprintf("/%s", index->name), NULL, 404, &missing);
	const JsonbContainer *described = answer ? json_container(json_member(&answer->root, index->name)) : NULL;
	const JsonbContainer *settings = json_container(json_member(
		json_container(json_member(described, "settings")), "index"));

	*uuid = json_string(json_member(settings, "uuid"));
	if (answer == NULL)
		return true;
	if (*uuid == NULL || strlen(*uuid) > UUID_LENGTH_MAX)
		es_raise("Elasticsearch's description of the index lacks its uuid");
	if (es_mapping_matches(described))
		return true;
	*problem = psprintf("the index \"%s\" in Elasticsearch has another mapping or other settings than it was created with,"
						" and is not used; see whether a template applies to it, and restore it, or run SELECT chat.reindex()",
						index->name);
	return false;
}

/*
 * Point an alias to this index alone, if it does not already.
 */
void
es_index_point_alias(const EsIndex *index, const char *alias)
{
	const char *problem;
	Jsonb	   *answer = ask("GET", psprintf("/_alias/%s", alias), NULL, 404, &problem);
	StringInfoData actions;
	bool		right = false;
	bool		others = false;

	initStringInfo(&actions);
	appendStringInfo(&actions, "{\"actions\": [{\"add\": {\"index\": \"%s\", \"alias\": \"%s\"}}",
					 index->name, alias);
	if (answer != NULL)
	{
		JsonbIterator *iterator = JsonbIteratorInit(&answer->root);
		JsonbValue	value;
		JsonbIteratorToken token;

		while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
		{
			char	   *name;

			if (token != WJB_KEY)
				continue;
			name = json_string(&value);
			if (strcmp(name, index->name) == 0)
			{
				right = true;
				continue;
			}
			others = true;
			appendStringInfoString(&actions, ", {\"remove\": {\"index\": ");
			json_append_string(&actions, name, strlen(name));
			appendStringInfo(&actions, ", \"alias\": \"%s\"}}", alias);
		}
	}
	if (right && !others)
		return;
	appendStringInfoString(&actions, "]}");
	(void) ask("POST", "/_aliases", es_body(actions.data), 0, &problem);
	ereport(LOG,
			(errmsg("pg_chat pointed the alias \"%s\" in Elasticsearch to the index \"%s\"",
					alias, index->name)));
}
