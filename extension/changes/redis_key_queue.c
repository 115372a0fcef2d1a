/*
 * redis_key_queue.c
 *	  Keys in Redis that are to be deleted.
 *
 * Redis has a key for each chat and for each application, under its token. A
 * token that no application has any more, or a chat that was deleted, is
 * queued in chat_internal.redis_key_queue by the transaction that did it. The
 * worker deletes the keys: see redis/redis_key_cleanup.c.
 *
 * The caller is connected to SPI, as the tables' owner, and has checked that
 * the queue is in use.
 */
#include "postgres.h"

#include "catalog/pg_type.h"

#include "changes/redis_key_queue.h"
#include "common/spi_plan.h"

char	   *guc_redis_url;

/* Whether counters are mirrored to Redis, so that the queue is in use. */
bool
redis_key_queue_in_use(void)
{
	return *guc_redis_url != '\0';
}

/* Queue all keys of a token, a text. */
void
redis_key_queue_add_token(Datum token)
{
	static SavedPlan plan = SAVED_PLAN(
		"INSERT INTO chat_internal.redis_key_queue (token) VALUES ($1)",
		TEXTOID);

	spi_plan_write(&plan, &token, NULL);
}

/* Queue all keys of all tokens. */
void
redis_key_queue_add_all_tokens(void)
{
	spi_execute("INSERT INTO chat_internal.redis_key_queue (token) SELECT token FROM chat.applications");
}

/* Queue the key of a chat. */
void
redis_key_queue_add_chat(int32 application, int32 chat)
{
	static SavedPlan plan = SAVED_PLAN(
		"INSERT INTO chat_internal.redis_key_queue (token, chat_number)"
		" SELECT token, $2 FROM chat.applications WHERE id = $1",
		INT4OID, INT4OID);
	Datum		values[2] = {Int32GetDatum(application), Int32GetDatum(chat)};

	spi_plan_write(&plan, values, NULL);
}

/*
 * Queue the keys of the chats in a relation, which has the columns
 * application_id and number, and may be a trigger's transition table.
 */
void
redis_key_queue_add_chats_from(const char *chats)
{
	spi_execute(psprintf("INSERT INTO chat_internal.redis_key_queue (token, chat_number)"
						 " SELECT a.token, o.number FROM %s AS o JOIN chat.applications AS a ON a.id = o.application_id",
						 chats));
}
