/*
 * redis_claim.c
 *	  Claims to the keys in Redis.
 *
 * Keys are named by tokens. A copy of a database, made by CREATE DATABASE ...
 * TEMPLATE or by a subscription, has the same tokens: the two would write
 * different numbers to the same keys. So a database claims the keys before it
 * writes any: it sets claimed in its row of chat_internal.worker_jobs. A copy
 * has that row of its original.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"

#include "bgworker/worker_xact.h"
#include "common/database_identity.h"
#include "common/spi_plan.h"
#include "redis/redis_claim.h"
#include "redis/redis_key_cleanup.h"

/*
 * Raise 55000 if one of the databases in SPI_tuptable, which claimed the keys,
 * is another one of this cluster that still exists.
 */
static void
refuse_copy(uint64 count)
{
	for (uint64 row = 0; row < count; row++)
	{
		char	   *owner = spi_result_string(row, spi_column("owner_database"), NULL);
		char	   *original = database_identity_of_original(owner);

		if (original != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("this database is a copy of \"%s\", and the keys in Redis are that one's", original),
					 errhint("Do, in this order: SELECT chat.rotate_token(id) FROM chat.applications; UPDATE chat_internal.worker_jobs SET claimed = false WHERE job = 'redis'")));
	}
}

/*
 * Claim the keys for this database, in the row of a job. Raises 55000 if a
 * database claims them that this one is a copy of.
 *
 * If no database of this cluster claims them, as when a copy was given tokens
 * of its own, this database must not delete the keys of the tokens that it had
 * before.
 */
void
redis_claim_keys(const char *job)
{
	static SavedPlan find = SAVED_PLAN(
		"SELECT owner_database, owner_database = $1 AS is_ours FROM chat_internal.worker_jobs"
		" WHERE job = $2 AND claimed ORDER BY is_ours DESC",
		TEXTOID, TEXTOID);
	static SavedPlan claim = SAVED_PLAN(
		"INSERT INTO chat_internal.worker_jobs AS j (owner_database, job, claimed) VALUES ($1, $2, true)"
		" ON CONFLICT (owner_database, job) DO UPDATE SET claimed = true",
		TEXTOID, TEXTOID);
	Datum		values[2] = {
		CStringGetTextDatum(database_identity_current()), CStringGetTextDatum(job)
	};
	uint64		claims;

	worker_xact_begin("looking whose the keys in Redis are");
	claims = spi_plan_read_fresh(&find, values);
	if (claims == 0 || !spi_result_bool(0, spi_column("is_ours")))
	{
		refuse_copy(claims);
		if (claims == 0)
			redis_key_cleanup_forget_all();
		spi_plan_write(&claim, values, NULL);
	}
	worker_xact_commit();
}
