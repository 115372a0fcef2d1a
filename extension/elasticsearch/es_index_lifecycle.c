/*
 * es_index_lifecycle.c
 *	  The life of an index in Elasticsearch.
 *
 * An index has a row in chat_internal.search_indexes before anything of it is in
 * Elasticsearch, and until nothing of it is. From the row on, changes are
 * queued for it. It is used, that is, fed and searched, once its row has the
 * uuid that Elasticsearch gave it:
 *
 *	- it was created there, and its mapping and settings are those that were
 *	  asked for; a template may have had others in mind;
 *	- all transactions have ended that were under way when its row was
 *	  committed: they may not have seen the row, and so may not have queued what
 *	  they changed. Their changes are then read from the tables.
 *
 * Where a standby was promoted, or a backup or the disk's snapshot restored, the
 * index may have what was lost. So after each start of the server it is not
 * searched before it is proven: it has seen as many operations as were noted
 * (see es_seq_no.c), or else was verified. An index that belongs to another
 * database, of which this one is a copy, is forgotten.
 *
 * Its name is its own, and never used again. For others to search it, an alias
 * stands for the current index, whichever it is. An index that is no more what
 * it was, because somebody deleted it, or emptied the server, is forgotten and
 * built anew; one whose mapping or settings were changed is not used, and
 * reported, until they are as they were.
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "commands/dbcommands.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "bgworker/worker.h"
#include "common/compat.h"
#include "common/database_identity.h"
#include "common/spi_plan.h"
#include "common/sql_signature.h"
#include "common/table_owner.h"
#include "elasticsearch/es_client.h"
#include "elasticsearch/es_document.h"
#include "elasticsearch/es_index_lifecycle.h"
#include "elasticsearch/es_mapping.h"
#include "elasticsearch/old_transactions.h"

PG_FUNCTION_INFO_V1(chat_reindex);

int			guc_elasticsearch_shards;

/* How long Elasticsearch has for what concerns an index as a whole. */
#define INDEX_TIMEOUT_MS 5000

/* What is left of a database's name in the name of its indexes. */
#define DATABASE_PART_SIZE 64

/* Each status by which Elasticsearch refuses something. */
#define ANY_REFUSAL (-1)

/* How long nothing is asked for again that was refused, and that searches do not need. */
#define REFUSAL_PAUSE_MS 10000

/* Why Elasticsearch would not create or delete an index that is not searched, and when; or NULL. */
static char *refused = NULL;
static TimestampTz refused_at = 0;

static EsIndexState
state_from_name(const char *name)
{
	if (strcmp(name, "current") == 0)
		return INDEX_CURRENT;
	return strcmp(name, "building") == 0 ? INDEX_BUILDING : INDEX_RETIRED;
}

/* What tells one URL from another. */
static int32
server_hash(void)
{
	return (int32) hash_bytes((const unsigned char *) guc_elasticsearch_url,
							  strlen(guc_elasticsearch_url));
}

/*
 * Find the index to search, in the current memory context: one that can be
 * used, is this database's, was found at the present URL, and was proven to be
 * in step since this server started.
 * Connected to SPI; reads with the calling query's snapshot. Returns false if
 * there is none.
 */
bool
es_index_current(int32 *id, char **name)
{
	static SavedPlan plan = SAVED_PLAN(
		"SELECT id, name FROM chat_internal.search_indexes"
		" WHERE state OPERATOR(pg_catalog.=) 'current' AND uuid IS NOT NULL"
		" AND owner_database OPERATOR(pg_catalog.=) $1 AND verified_start OPERATOR(pg_catalog.=) $2"
		" AND server OPERATOR(pg_catalog.=) $3",
		TEXTOID, TIMESTAMPTZOID, INT4OID);
	MemoryContext caller = CurrentMemoryContext;
	Datum		values[3];

	if (!es_wanted() || RecoveryInProgress())
		return false;
	values[0] = CStringGetTextDatum(database_identity_current());
	values[1] = TimestampTzGetDatum(PgStartTime);
	values[2] = Int32GetDatum(server_hash());
	if (spi_plan_read(&plan, values) == 0)
		return false;
	MemoryContextSwitchTo(caller);
	*id = spi_result_int32(0, 1);
	*name = spi_result_string(0, 2, NULL);
	return true;
}

/*
 * An index is in step, but for what is pending, having seen so many operations.
 */
void
es_index_mark_verified(const EsIndex *index, int64 operations)
{
	static SavedPlan plan = SAVED_PLAN(
		"UPDATE chat_internal.search_indexes SET verified_start = $2, operations = $3 WHERE id OPERATOR(pg_catalog.=) $1",
		INT4OID, TIMESTAMPTZOID, INT8OID);
	Datum		values[3] = {Int32GetDatum(index->id), TimestampTzGetDatum(PgStartTime), Int64GetDatum(operations)};

	worker_xact_begin("noting that an index is in step");
	spi_plan_write(&plan, values, NULL);
	worker_xact_commit();
}

/*
 * An index may not be in step: it has seen as many operations, which are not as
 * many as were noted. What is sent from now on has later versions than this.
 */
void
es_index_mark_unverified(const EsIndex *index, int64 operations, int64 version)
{
	static SavedPlan plan = SAVED_PLAN(
		"UPDATE chat_internal.search_indexes SET verified_start = NULL, last_version = $2 WHERE id OPERATOR(pg_catalog.=) $1",
		INT4OID, INT8OID);
	Datum		values[2] = {Int32GetDatum(index->id), Int64GetDatum(version)};

	ereport(LOG,
			(errmsg("pg_chat: the index \"%s\" has seen what this server does not remember; it is verified", index->name),
			 errdetail("It has seen " INT64_FORMAT " operations, and " INT64_FORMAT " are noted.",
					   operations, index->operations)));
	worker_xact_begin("noting that an index may not be in step");
	spi_plan_write(&plan, values, NULL);
	worker_xact_commit();
}

/*
 * This database's indexes, in the current memory context, and the latest
 * version that any document was given.
 */
List *
search_indexes(int64 *last_version)
{
	static SavedPlan plan = SAVED_PLAN(
		"SELECT id, name, alias, uuid, state, rebuild::pg_catalog.int4, last_version, owner_database,"
		" COALESCE(verified_start OPERATOR(pg_catalog.=) $1, false)::pg_catalog.int4, (verified_start IS NULL)::pg_catalog.int4,"
		" COALESCE(server, 0), operations"
		" FROM chat_internal.search_indexes ORDER BY id", TIMESTAMPTZOID);
	Datum		start = TimestampTzGetDatum(PgStartTime);
	MemoryContext context = CurrentMemoryContext;
	List	   *indexes = NIL;
	uint64		rows;

	*last_version = 0;
	worker_xact_begin("looking for indexes");
	rows = spi_plan_write(&plan, &start, NULL);
	for (uint64 row = 0; row < rows; row++)
	{
		MemoryContext caller = MemoryContextSwitchTo(context);
		EsIndex *index = palloc0(sizeof(EsIndex));
		bool		isnull;

		index->id = spi_result_int32(row, 1);
		index->name = spi_result_string(row, 2, NULL);
		index->alias = spi_result_string(row, 3, NULL);
		index->uuid = spi_result_string(row, 4, &isnull);
		index->state = state_from_name(spi_result_string(row, 5, NULL));
		index->rebuild = spi_result_int32(row, 6) != 0;
		*last_version = Max(*last_version, spi_result_int64(row, 7));
		index->home = spi_result_string(row, 8, NULL);
		index->proven = spi_result_int32(row, 9) != 0;
		index->doubted = spi_result_int32(row, 10) != 0;
		index->elsewhere = spi_result_int32(row, 11) != server_hash();
		index->operations = spi_result_int64(row, 12);
		indexes = lappend(indexes, index);
		MemoryContextSwitchTo(caller);
	}
	worker_xact_commit();
	return indexes;
}

/* The index in a state; NULL if there is none. */
EsIndex *
es_index_in_state(List *indexes, EsIndexState state)
{
	ListCell   *cell;

	foreach(cell, indexes)
	{
		EsIndex *index = lfirst(cell);

		if (index->state == state)
			return index;
	}
	return NULL;
}

/*
 * Name an alias after the database, and the cluster: others may use the same
 * Elasticsearch. What it does not allow in a name becomes an underscore.
 */
static char *
alias_name(void)
{
	char		part[DATABASE_PART_SIZE];
	char	   *name;

	StartTransactionCommand();
	name = get_database_name(MyDatabaseId);
	strlcpy(part, name ? name : "", sizeof(part));
	CommitTransactionCommand();
	for (char *byte = part; *byte; byte++)
	{
		*byte = pg_ascii_tolower((unsigned char) *byte);
		if (!((*byte >= 'a' && *byte <= 'z') || (*byte >= '0' && *byte <= '9') || *byte == '_'))
			*byte = '_';
	}
	return psprintf("pg_chat-%s-%s", part, database_identity_current());
}

/* Give an index that is to be a row. */
static void
insert_row(const char *state)
{
	static SavedPlan plan = SAVED_PLAN(
		"INSERT INTO chat_internal.search_indexes (name, alias, owner_database, verified_start, state) VALUES ($1, $2, $3, $4, $5)",
		TEXTOID, TEXTOID, TEXTOID, TIMESTAMPTZOID, TEXTOID);
	char	   *alias = alias_name();
	char	   *name = psprintf("%s-" INT64_FORMAT, alias, GetCurrentTimestamp());
	Datum		values[5] = {
		CStringGetTextDatum(name), CStringGetTextDatum(alias),
		CStringGetTextDatum(database_identity_current()), TimestampTzGetDatum(PgStartTime),
		CStringGetTextDatum(state)
	};

	/* Durable before Elasticsearch has anything of it. */
	worker_xact_begin("beginning an index");
	ForceSyncCommit();
	spi_plan_write(&plan, values, NULL);
	worker_xact_commit();
	ereport(LOG, (errmsg("pg_chat begins to build the index \"%s\" in Elasticsearch", name)));
}

static void
delete_watermarks(int32 id)
{
	static SavedPlan plan = SAVED_PLAN(
		"DELETE FROM chat_internal.search_watermarks WHERE index_id OPERATOR(pg_catalog.=) $1", INT4OID);
	Datum		value = Int32GetDatum(id);

	spi_plan_write(&plan, &value, NULL);
}

/* Delete the row of an index, and all that is noted of it. In a transaction. */
static void
delete_row(int32 id)
{
	static SavedPlan queue = SAVED_PLAN(
		"DELETE FROM chat_internal.search_queue WHERE index_id OPERATOR(pg_catalog.=) $1", INT4OID);
	static SavedPlan row = SAVED_PLAN(
		"DELETE FROM chat_internal.search_indexes WHERE id OPERATOR(pg_catalog.=) $1", INT4OID);
	Datum		value = Int32GetDatum(id);

	spi_plan_write(&row, &value, NULL);
	delete_watermarks(id);
	spi_plan_write(&queue, &value, NULL);
}

/*
 * Delete what was queued for indexes that have no row any more, by transactions
 * that were under way when it was deleted. Ids grow.
 */
static void
delete_orphans(void)
{
	static SavedPlan plan = SAVED_PLAN(
		"DELETE FROM chat_internal.search_queue WHERE index_id OPERATOR(pg_catalog.<)"
		" (SELECT COALESCE(pg_catalog.min(id), $1) FROM chat_internal.search_indexes)", INT4OID);
	Datum		all = Int32GetDatum(PG_INT32_MAX);

	worker_xact_begin("tidying the queue");
	spi_plan_write(&plan, &all, NULL);
	worker_xact_commit();
}

static void
forget(const EsIndex *index)
{
	worker_xact_begin("forgetting an index");
	delete_row(index->id);
	worker_xact_commit();
	old_transactions_forget(index->id);
}

/* An index can be used from now on, at this URL: write its uuid. */
static void
enable(const EsIndex *index, const char *uuid)
{
	static SavedPlan plan = SAVED_PLAN(
		"UPDATE chat_internal.search_indexes SET uuid = $2, server = $3 WHERE id OPERATOR(pg_catalog.=) $1",
		INT4OID, TEXTOID, INT4OID);
	Datum		values[3] = {
		Int32GetDatum(index->id), CStringGetTextDatum(uuid), Int32GetDatum(server_hash())
	};

	worker_xact_begin("enabling an index");
	spi_plan_write(&plan, values, NULL);
	worker_xact_commit();
}

/*
 * An index cannot be used any more. What it holds counts for nothing, since
 * nobody knows what it will be when it can be used again.
 */
static void
disable(const EsIndex *index)
{
	static SavedPlan plan = SAVED_PLAN(
		"UPDATE chat_internal.search_indexes SET uuid = NULL WHERE id OPERATOR(pg_catalog.=) $1", INT4OID);
	Datum		value = Int32GetDatum(index->id);

	worker_xact_begin("disabling an index");
	spi_plan_write(&plan, &value, NULL);
	delete_watermarks(index->id);
	worker_xact_commit();
}

/* In a transaction. */
static void
set_state(const EsIndex *index, const char *state)
{
	static SavedPlan plan = SAVED_PLAN(
		"UPDATE chat_internal.search_indexes SET state = $2 WHERE id OPERATOR(pg_catalog.=) $1",
		INT4OID, TEXTOID);
	Datum		values[2] = {Int32GetDatum(index->id), CStringGetTextDatum(state)};

	spi_plan_write(&plan, values, NULL);
}

static void
retire(const EsIndex *index)
{
	worker_xact_begin("retiring an index");
	ForceSyncCommit();
	set_state(index, "retired");
	worker_xact_commit();
}

/*
 * Ask, and return the answer; or NULL, and *problem, if it has the status that
 * may be, or any that refuses, for ANY_REFUSAL. Raises any other problem.
 */
static Jsonb *
ask(const char *method, const char *path, StringInfo body, int allowed, const char **problem)
{
	int			status;
	Jsonb	   *answer = es_call(method, path, body, INDEX_TIMEOUT_MS, &status, problem);

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

	if (es_call("DELETE", psprintf("/%s", index->name), NULL, INDEX_TIMEOUT_MS, &status, &problem) == NULL &&
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
	if (*uuid == NULL)
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
 * Whether something was refused so lately that it is too early to ask again;
 * then *problem says why it was.
 */
static bool
was_refused(const char **problem)
{
	TimestampTz now = GetCurrentTimestamp();

	if (refused == NULL || now < refused_at || TimestampDifferenceExceeds(refused_at, now, REFUSAL_PAUSE_MS))
		return false;
	*problem = pstrdup(refused);
	return true;
}

/* Note why Elasticsearch refused something, or that it did not. */
static void
note_refusal(const char *reason, const char **problem)
{
	if (refused != NULL)
		pfree(refused);
	refused = reason != NULL ? MemoryContextStrdup(TopMemoryContext, reason) : NULL;
	refused_at = GetCurrentTimestamp();
	if (reason != NULL)
		*problem = reason;
}

/*
 * Bring an index into being. Returns whether it can be used from now on; if
 * not, *problem says why.
 */
static bool
begin(EsIndex *index, const char **problem)
{
	char	   *uuid;

	if (index->state != INDEX_CURRENT && was_refused(problem))
		return false;
	if (!examine(index, &uuid, problem))
		return false;
	if (uuid == NULL)
	{
		const char *refusal = create(index);

		if (!examine(index, &uuid, problem))
			return false;
		/* The current index goes on without this one. */
		if (index->state != INDEX_CURRENT)
			note_refusal(uuid == NULL ? refusal : NULL, problem);
		if (index->state != INDEX_CURRENT && uuid == NULL && refusal != NULL)
			return false;
		if (uuid == NULL)
			es_raise(refusal != NULL ? refusal : "Elasticsearch created an index and does not have it");
	}
	if (!old_transactions_ended(index->id, problem))
		return false;
	old_transactions_forget(index->id);
	enable(index, uuid);
	return true;
}

/* Have an index be gone. Returns whether it is; if not, *problem says why. */
static bool
end(const EsIndex *index, const char **problem)
{
	const char *refusal;

	if (was_refused(problem))
		return false;
	refusal = drop(index);
	note_refusal(refusal, problem);
	if (refusal != NULL)
		return false;
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
		disable(index);
		return false;
	}
	if (uuid != NULL && strcmp(uuid, index->uuid) == 0)
	{
		point_alias(index, psprintf("%s-write", index->name));
		if (index->state == INDEX_CURRENT)
			point_alias(index, index->alias);
		if (index->elsewhere)
			enable(index, uuid);
		return true;
	}
	ereport(LOG,
			(errmsg("pg_chat: the index \"%s\" is gone from Elasticsearch; it is built anew", index->name)));
	forget(index);
	return false;
}

/*
 * See that the indexes are there that should be: a current one and, where that
 * is to be replaced, one that is being built; and that others are gone. check:
 * ask Elasticsearch whether they are still what they were. Returns whether any
 * of this changed, so that they have to be looked up again. *problem says why
 * one cannot be used, if so.
 */
bool
es_indexes_maintain(List *indexes, bool check, const char **problem)
{
	EsIndex *current = es_index_in_state(indexes, INDEX_CURRENT);
	EsIndex *building = es_index_in_state(indexes, INDEX_BUILDING);
	ListCell   *cell;
	bool		changed = false;

	foreach(cell, indexes)
	{
		EsIndex *index = lfirst(cell);

		/* This database is a copy; the index is the original's. */
		if (strcmp(index->home, database_identity_current()) != 0)
		{
			forget(index);
			changed = true;
		}
	}
	if (changed)
		return true;

	if (check)
		delete_orphans();
	if (current == NULL)
	{
		insert_row("current");
		return true;
	}
	if (current->rebuild && building == NULL)
	{
		insert_row("building");
		return true;
	}
	if (building != NULL && building->rebuild)
	{
		retire(building);
		return true;
	}

	foreach(cell, indexes)
	{
		EsIndex *index = lfirst(cell);

		if (index->state == INDEX_RETIRED)
			changed |= end(index, problem);
		else if (index->uuid == NULL)
			changed |= begin(index, problem);
		else if (check || index->elsewhere)
			changed |= !is_still_there(index, problem);
	}
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
	worker_xact_begin("replacing an index");
	ForceSyncCommit();
	set_state(old, "retired");
	set_state(new, "current");
	worker_xact_commit();
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

	foreach(cell, search_indexes(&last_version))
		forget(lfirst(cell));
	delete_orphans();
}

/*
 * chat.reindex() returns text
 */
Datum
chat_reindex(PG_FUNCTION_ARGS)
{
	static SavedPlan plan = SAVED_PLAN(
		"WITH rebuilt AS (UPDATE chat_internal.search_indexes SET rebuild = true WHERE state OPERATOR(pg_catalog.<>) 'retired'"
		" RETURNING name, state) SELECT name FROM rebuilt WHERE state OPERATOR(pg_catalog.=) $1",
		TEXTOID);
	static SqlSignature signature = {SQL_RETURNS(TEXTOID)};
	Datum		current = CStringGetTextDatum("current");
	MemoryContext context = CurrentMemoryContext;
	TableOwnerSwitch caller;
	text	   *name;

	sql_signature_check(fcinfo, &signature, InvalidOid);
	caller = table_owner_become(OWNER_SEES_ALL);
	if (spi_plan_write(&plan, &current, NULL) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("Elasticsearch is not used in this database"),
				 errhint("Set pg_chat.elasticsearch_url, and see chat.worker_status.")));
	MemoryContextSwitchTo(context);
	name = cstring_to_text(spi_result_string(0, 1, NULL));
	table_owner_leave(caller);
	PG_RETURN_TEXT_P(name);
}
