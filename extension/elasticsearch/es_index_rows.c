/*
 * es_index_rows.c
 *	  The rows of chat_internal.search_indexes that are this database's.
 *
 * A row has the state of an index in Elasticsearch; es_index_lifecycle.c decides
 * how it changes. Where a row must be durable before a request is made, its
 * transaction commits synchronously.
 *
 * Rows of other databases may stand beside them, see es_stray_rows.c. A search for
 * an index leaves them out; from then on an index is addressed by its id.
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "commands/dbcommands.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "bgworker/worker_xact.h"
#include "common/database_identity.h"
#include "common/spi_plan.h"
#include "common/sql_signature.h"
#include "common/table_owner.h"
#include "elasticsearch/es_client.h"
#include "elasticsearch/es_index_rows.h"

PG_FUNCTION_INFO_V1(chat_reindex);

/* Bytes of the database's name that go into the names of its indexes, and a NUL. */
#define DATABASE_PART_SIZE 64

/* The values of the column state. */
static const char *const state_names[] = {
	[INDEX_BUILDING] = "building",
	[INDEX_CURRENT] = "current",
	[INDEX_RETIRED] = "retired"
};

static EsIndexState
state_from_name(const char *name)
{
	EsIndexState state = INDEX_BUILDING;

	while (state < INDEX_RETIRED && strcmp(name, state_names[state]) != 0)
		state++;
	return state;
}

/* A hash of the present URL, to recognize a change. */
static int32
server_hash(void)
{
	return (int32) hash_bytes((const unsigned char *) guc_elasticsearch_url,
							  strlen(guc_elasticsearch_url));
}

/*
 * Find the index to search: this database's current one, if it is enabled, was
 * last seen at the present URL, and was verified since the server started. Returns
 * false if there is none. *name is in the current memory context. Connected to SPI;
 * reads with the calling query's snapshot.
 */
bool
es_index_current(int32 *id, char **name)
{
	static SavedPlan plan = SAVED_PLAN(
		"SELECT id, name FROM chat_internal.search_indexes"
		" WHERE state = 'current' AND uuid IS NOT NULL"
		" AND owner_database = $1 AND verified_start = $2 AND server = $3",
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
	*id = spi_result_int32(0, spi_column("id"));
	*name = spi_result_string(0, spi_column("name"), NULL);
	return true;
}

/* The index that a row of SPI_tuptable describes, in the current memory context. */
static EsIndex *
index_from_row(uint64 row)
{
	EsIndex    *index = palloc0(sizeof(EsIndex));
	bool		isnull;

	index->id = spi_result_int32(row, spi_column("id"));
	index->name = spi_result_string(row, spi_column("name"), NULL);
	index->alias = spi_result_string(row, spi_column("alias"), NULL);
	index->verified = spi_result_bool(row, spi_column("verified"));
	index->unverified = spi_result_bool(row, spi_column("unverified"));
	index->operations = spi_result_int64(row, spi_column("operations"));
	index->uuid = spi_result_string(row, spi_column("uuid"), &isnull);
	index->elsewhere = spi_result_int32(row, spi_column("server")) != server_hash();
	index->state = state_from_name(spi_result_string(row, spi_column("state"), NULL));
	index->rebuild = spi_result_bool(row, spi_column("rebuild"));
	return index;
}

/*
 * Read this database's indexes, the oldest first, as a list of EsIndex in the
 * current memory context. *last_version becomes the highest version recorded for a
 * document, 0 if none is. Outside of a transaction.
 */
List *
es_index_rows_read(int64 *last_version)
{
	static SavedPlan plan = SAVED_PLAN(
		"SELECT id, name, alias, COALESCE(verified_start = $2, false) AS verified,"
		" verified_start IS NULL AS unverified, operations, uuid, COALESCE(server, 0) AS server,"
		" state, rebuild, last_version"
		" FROM chat_internal.search_indexes WHERE owner_database = $1 ORDER BY created_at, id",
		TEXTOID, TIMESTAMPTZOID);
	Datum		values[2] = {
		CStringGetTextDatum(database_identity_current()), TimestampTzGetDatum(PgStartTime)
	};
	MemoryContext context = CurrentMemoryContext;
	List	   *indexes = NIL;
	uint64		rows;

	*last_version = 0;
	worker_xact_begin("looking for indexes");
	rows = spi_plan_read_fresh(&plan, values);
	for (uint64 row = 0; row < rows; row++)
	{
		MemoryContext caller = MemoryContextSwitchTo(context);

		indexes = lappend(indexes, index_from_row(row));
		*last_version = Max(*last_version, spi_result_int64(row, spi_column("last_version")));
		MemoryContextSwitchTo(caller);
	}
	worker_xact_commit();
	return indexes;
}

/* The first index of a list that is in this state; NULL if there is none. */
EsIndex *
es_index_in_state(List *indexes, EsIndexState state)
{
	ListCell   *cell;

	foreach(cell, indexes)
	{
		EsIndex    *index = lfirst(cell);

		if (index->state == state)
			return index;
	}
	return NULL;
}

/*
 * The alias of this database, named after it and its cluster, since others may use
 * the same Elasticsearch. Characters that are not allowed there become underscores.
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

/*
 * Insert the row of an index that is to be created. Returns its name, in the
 * current memory context; no index had that before.
 */
char *
es_index_row_insert(EsIndexState state)
{
	static SavedPlan plan = SAVED_PLAN(
		"INSERT INTO chat_internal.search_indexes (name, alias, owner_database, verified_start, state)"
		" VALUES ($1, $2, $3, $4, $5)",
		TEXTOID, TEXTOID, TEXTOID, TIMESTAMPTZOID, TEXTOID);
	char	   *alias = alias_name();
	char	   *name = psprintf("%s-" INT64_FORMAT, alias, GetCurrentTimestamp());
	Datum		values[5] = {
		CStringGetTextDatum(name), CStringGetTextDatum(alias),
		CStringGetTextDatum(database_identity_current()), TimestampTzGetDatum(PgStartTime),
		CStringGetTextDatum(state_names[state])
	};

	worker_xact_begin("beginning an index");
	ForceSyncCommit();
	spi_plan_write(&plan, values, NULL);
	worker_xact_commit();
	return name;
}

/* Record that an index can be used, at the present URL, by writing its uuid. */
void
es_index_row_enable(const EsIndex *index, const char *uuid)
{
	static SavedPlan plan = SAVED_PLAN(
		"UPDATE chat_internal.search_indexes SET uuid = $2, server = $3 WHERE id = $1",
		INT4OID, TEXTOID, INT4OID);
	Datum		values[3] = {
		Int32GetDatum(index->id), CStringGetTextDatum(uuid), Int32GetDatum(server_hash())
	};

	worker_xact_begin("enabling an index");
	spi_plan_write(&plan, values, NULL);
	worker_xact_commit();
}

/* Write the state of an index. In a transaction. */
static void
set_state(const EsIndex *index, EsIndexState state)
{
	static SavedPlan plan = SAVED_PLAN(
		"UPDATE chat_internal.search_indexes SET state = $2 WHERE id = $1", INT4OID, TEXTOID);
	Datum		values[2] = {Int32GetDatum(index->id), CStringGetTextDatum(state_names[state])};

	spi_plan_write(&plan, values, NULL);
}

/* Retire an index: it is to be deleted from Elasticsearch, and then its row. */
void
es_index_row_retire(const EsIndex *index)
{
	worker_xact_begin("retiring an index");
	ForceSyncCommit();
	set_state(index, INDEX_RETIRED);
	worker_xact_commit();
}

/* Make an index the current one, and retire that. */
void
es_index_row_replace(const EsIndex *old, const EsIndex *new)
{
	worker_xact_begin("replacing an index");
	ForceSyncCommit();
	set_state(old, INDEX_RETIRED);
	set_state(new, INDEX_CURRENT);
	worker_xact_commit();
}

/*
 * Record that an index holds what the table holds, except for what is pending,
 * after so many operations.
 */
void
es_index_mark_verified(const EsIndex *index, int64 operations)
{
	static SavedPlan plan = SAVED_PLAN(
		"UPDATE chat_internal.search_indexes SET verified_start = $2, operations = $3 WHERE id = $1",
		INT4OID, TIMESTAMPTZOID, INT8OID);
	Datum		values[3] = {Int32GetDatum(index->id), TimestampTzGetDatum(PgStartTime), Int64GetDatum(operations)};

	worker_xact_begin("noting that an index is in sync");
	spi_plan_write(&plan, values, NULL);
	worker_xact_commit();
}

/*
 * Record that an index may be out of sync, since the operations that it has seen
 * are not as many as were recorded. version is the highest that any document may
 * have; documents that are sent from now on get higher ones.
 */
void
es_index_mark_unverified(const EsIndex *index, int64 operations, int64 version)
{
	static SavedPlan plan = SAVED_PLAN(
		"UPDATE chat_internal.search_indexes SET verified_start = NULL, last_version = $2 WHERE id = $1",
		INT4OID, INT8OID);
	Datum		values[2] = {Int32GetDatum(index->id), Int64GetDatum(version)};

	ereport(LOG,
			(errmsg("pg_chat: the index \"%s\" has seen what this server does not remember; it is verified", index->name),
			 errdetail("It has seen " INT64_FORMAT " operations, and " INT64_FORMAT " are noted.",
					   operations, index->operations)));
	worker_xact_begin("noting that an index may not be in sync");
	spi_plan_write(&plan, values, NULL);
	worker_xact_commit();
}

/*
 * Record the highest version given to a document and, unless operations is NULL,
 * how many operations the index has seen; those of an unverified index are recorded
 * when it is verified. In a transaction.
 *
 * Does nothing while another transaction has the row locked, as chat.reindex()
 * does. That is safe: versions restart with a margin above the recorded one, and
 * an index that has seen more operations than recorded is verified again.
 */
void
es_index_note_progress(int32 id, int64 version, const int64 *operations)
{
	static SavedPlan plan = SAVED_PLAN(
		"UPDATE chat_internal.search_indexes AS i SET last_version = $2,"
		" operations = CASE WHEN i.verified_start = $4 THEN COALESCE($3, i.operations) ELSE i.operations END"
		" FROM (SELECT id FROM chat_internal.search_indexes WHERE id = $1 FOR NO KEY UPDATE SKIP LOCKED) AS l"
		" WHERE i.id = l.id",
		INT4OID, INT8OID, INT8OID, TIMESTAMPTZOID);
	Datum		values[4] = {
		Int32GetDatum(id), Int64GetDatum(version), Int64GetDatum(operations ? *operations : 0),
		TimestampTzGetDatum(PgStartTime)
	};

	spi_plan_write(&plan, values, operations ? "    " : "  n ");
}

/*
 * chat.reindex() returns text
 *
 * Has the worker build an index that replaces the current one, whose name is
 * returned. Raises 55000 if Elasticsearch is not used.
 */
Datum
chat_reindex(PG_FUNCTION_ARGS)
{
	static SavedPlan plan = SAVED_PLAN(
		"WITH rebuilt AS (UPDATE chat_internal.search_indexes SET rebuild = true"
		" WHERE owner_database = $1 AND state <> 'retired'"
		" RETURNING name, state) SELECT name FROM rebuilt WHERE state = $2",
		TEXTOID, TEXTOID);
	static SqlSignature signature = {SQL_RETURNS(TEXTOID)};
	Datum		values[2] = {
		CStringGetTextDatum(database_identity_current()), CStringGetTextDatum(state_names[INDEX_CURRENT])
	};
	MemoryContext context = CurrentMemoryContext;
	TableOwnerSwitch caller;
	text	   *name;

	sql_signature_check(fcinfo, &signature, InvalidOid);
	caller = table_owner_become(OWNER_SEES_ALL);
	if (spi_plan_write(&plan, values, NULL) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("Elasticsearch is not used in this database"),
				 errhint("Set pg_chat.elasticsearch_url, and see chat.worker_status.")));
	MemoryContextSwitchTo(context);
	name = cstring_to_text(spi_result_string(0, spi_column("name"), NULL));
	table_owner_leave(caller);
	PG_RETURN_TEXT_P(name);
}
