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
 * Where a standby was promoted, or a backup or the disk's snapshot restored, the
 * index may have what was lost. So after each start of the server it is not
 * searched before it is verified: it has seen as many operations as were noted
 * (see es_seq_no.c), or else was compared with the table. A copy of the database
 * has indexes of its own.
 *
 * Its name is its own, and never used again. For others to search it, an alias
 * stands for the current index, whichever it is. An index that is no more what
 * it was, because somebody deleted it, or emptied the server, is forgotten and
 * built anew; one whose mapping or settings were changed is not used, and
 * reported, until they are as they were.
 *
 * Elasticsearch may not answer in time. That is a problem of the one index that
 * it was asked about, and for a while nothing more is asked: what is under way
 * with an index goes on meanwhile.
 */
#include "postgres.h"

#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "common/json_read.h"
#include "elasticsearch/es_client.h"
#include "elasticsearch/es_document.h"
#include "elasticsearch/es_index_lifecycle.h"
#include "elasticsearch/es_mapping.h"
#include "elasticsearch/es_stray_rows.h"
#include "elasticsearch/old_transactions.h"

int			guc_elasticsearch_shards;

/* The longest uuid that is taken for one. */
#define UUID_LENGTH_MAX 100

/* Each status by which Elasticsearch refuses something. */
#define ANY_REFUSAL (-1)

/* How long nothing is asked for again that was refused, or had no answer. */
#define ASK_AGAIN_MS 10000

/* A problem that is reported for a while, in which its cause is not asked for. */
typedef struct LastProblem
{
	char	   *text;			/* NULL: there is none */
	TimestampTz noted;
} LastProblem;

/* Why Elasticsearch would not create or delete an index. */
static LastProblem refused = {0};

/* Why it did not answer. */
static LastProblem unanswered = {0};

/* Note a problem, or that there is none any more: NULL. */
static void
note(LastProblem *last, const char *text)
{
	if (last->text != NULL)
		pfree(last->text);
	last->text = text != NULL ? MemoryContextStrdup(TopMemoryContext, text) : NULL;
	last->noted = GetCurrentTimestamp();
}

/* Whether it is too early to ask again; then *problem says why. */
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

/* The row of an index goes, and what is kept of it here. */
static void
forget(const EsIndex *index)
{
	es_index_row_delete(index);
	old_transactions_forget(index->id);
}

/* Begin an index: give it a row. */
static void
begin_row(EsIndexState state)
{
	ereport(LOG, (errmsg("pg_chat begins to build the index \"%s\" in Elasticsearch",
						 es_index_row_insert(state))));
}

/*
 * Ask, and return the answer; or NULL, and *problem, if it has the status that
 * may be, or any that refuses, for ANY_REFUSAL. Raises any other problem.
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

/* Create an index in Elasticsearch. Returns NULL or, if it refuses, its reason. */
static const char *
create(const EsIndex *index)
{
	const char *problem;
	StringInfo	body = es_body(psprintf("{\"settings\": {\"index\": {\"number_of_shards\": %d, %s}},"
										" \"mappings\": %s, \"aliases\": {\"%s-write\": {}%s}}",
										guc_elasticsearch_shards, es_document_settings, es_document_mappings, index->name,
										index->state == INDEX_CURRENT ? psprintf(", \"%s\": {}", index->alias) : ""));

	(void) ask("PUT", psprintf("/%s", index->name), body, ANY_REFUSAL, &problem);
	return problem;
}

/* Delete what Elasticsearch has of an index, if anything. Returns NULL or, if it refuses, its reason. */
static const char *
drop(const EsIndex *index)
{
	const char *problem;
	int			status;

	if (es_call("DELETE", psprintf("/%s", index->name), NULL, ES_WORKER_WAIT_MS, &status, &problem) == NULL &&
		status < 400)
		es_raise(problem);
	return status == 404 ? NULL : problem;
}

/*
 * Find the uuid of an index in Elasticsearch; NULL if it is not there. Returns
 * false, with the problem, if it is there in another form.
 */
static bool
examine(const EsIndex *index, char **uuid, const char **problem)
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
 * Have an alias stand for the index alone.
 */
static void
point_alias(const EsIndex *index, const char *alias)
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

/*
 * Bring an index into being. Returns whether it can be used from now on; if
 * not, *problem says why.
 */
static bool
begin(const EsIndex *index, const char **problem)
{
	char	   *uuid;

	if (is_recent(&refused, problem) || !examine(index, &uuid, problem))
		return false;
	if (uuid == NULL)
	{
		const char *refusal = create(index);

		if (!examine(index, &uuid, problem))
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

/* Have an index be gone. Returns whether it is; if not, *problem says why. */
static bool
end(const EsIndex *index, const char **problem)
{
	const char *refusal;

	if (is_recent(&refused, problem))
		return false;
	refusal = drop(index);
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
 * See whether an index is still what it was. One that is not is forgotten or,
 * if it was changed, disabled; then *problem says so.
 */
static bool
is_still_there(const EsIndex *index, const char **problem)
{
	char	   *uuid;

	if (!examine(index, &uuid, problem))
	{
		es_index_row_disable(index);
		return false;
	}
	if (uuid != NULL && strcmp(uuid, index->uuid) == 0)
	{
		point_alias(index, psprintf("%s-write", index->name));
		if (index->state == INDEX_CURRENT)
			point_alias(index, index->alias);
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
 * Do what has to be done about an index. Returns whether its row changed.
 * *problem says why it cannot be used, or was not looked at, if so.
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
 * Begin what has no row yet, and retire what is not wanted any more. Returns
 * whether there was something of the kind.
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
 * See that the indexes are there that should be: a current one and, where that
 * is to be replaced, one that is being built; and that others are gone. check:
 * ask Elasticsearch whether they are still what they were. Returns whether any
 * of this changed, so that they have to be looked up again. *problem says why
 * one cannot be used, or was not looked at, if so.
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
 * Have an index take the place of the current one.
 */
void
es_index_replace(const EsIndex *old, const EsIndex *new)
{
	point_alias(new, new->alias);
	/* Durable before the old one is deleted. */
	es_index_row_replace(old, new);
	ereport(LOG, (errmsg("pg_chat: the index \"%s\" took the place of \"%s\"", new->name, old->name)));
}

/*
 * Forget all indexes: Elasticsearch is not used any more.
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
