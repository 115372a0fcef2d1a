/*
 * deleted_messages.c
 *	  Messages of which no row is left.
 *
 * chat.delete_message() leaves a row, whose revision tells readers of the deletion. A
 * direct DELETE, a TRUNCATE and a change of a message's key leave none: so a row of
 * chat_internal.deleted_messages tells of it. Consecutive numbers of a chat take
 * consecutive revisions, and share a row, which has the last of both: so a chat whose
 * oldest messages are deleted every day gets a row a day.
 *
 * The caller is connected to SPI, as the tables' owner.
 */
#include "postgres.h"

#include "catalog/pg_type.h"

#include "common/int_columns.h"
#include "common/spi_plan.h"
#include "core/deleted_messages.h"
#include "core/number_cache.h"

/*
 * Take revisions for messages that are gone: of each chat that is there, as many as a
 * query finds, which has the columns application_id, chat_number and messages, in the
 * order of the chats' keys. Returns the chats with the last revision before.
 */
static IntColumns
take_revisions(const char *counted)
{
	uint64		count = spi_execute(counted);
	ChatKey    *chats = palloc((count + 1) * sizeof(ChatKey));
	int32	   *messages = palloc((count + 1) * sizeof(int32));
	IntColumns	taken;

	/* Copied first: what follows executes statements. */
	for (uint64 row = 0; row < count; row++)
	{
		chats[row] = (ChatKey) {spi_result_int32(row, 1), spi_result_int32(row, 2)};
		messages[row] = spi_result_int32(row, 3);
	}
	int_columns_init(&taken, 3, count);
	for (uint64 row = 0; row < count; row++)
		int_columns_append(&taken, (int32[]) {
			chats[row].application, chats[row].chat, number_cache_take_revisions(chats[row], messages[row])
		});
	return taken;
}

/*
 * Record messages that are gone, whose keys a query finds: it has the columns
 * application_id, chat_number and number, and may name a trigger's transition tables.
 * Those of chats that are gone, too, are passed over.
 */
void
deleted_messages_record(const char *gone)
{
	static const Oid types[3] = {INT4ARRAYOID, INT4ARRAYOID, INT4ARRAYOID};
	IntColumns	taken = take_revisions(psprintf("SELECT c.application_id, c.number, g.messages FROM"
												" (SELECT g.application_id, g.chat_number, count(*)::int4 AS messages FROM (%s) AS g GROUP BY 1, 2) AS g"
												" JOIN chat.chats AS c ON c.application_id = g.application_id AND c.number = g.chat_number"
												" AND c.deleted_at IS NULL"
												" ORDER BY c.application_id, c.number", gone));
	Datum		values[3];

	if (taken.count == 0)
		return;
	int_columns_to_arrays(&taken, values);
	spi_execute_with(psprintf("INSERT INTO chat_internal.deleted_messages (application_id, chat_number, revision, number, messages)"
							  " SELECT k.application_id, k.chat_number, k.last_revision + max(g.place)::int4, max(g.number), count(*)::int4"
							  " FROM ROWS FROM (unnest($1), unnest($2), unnest($3)) AS k (application_id, chat_number, last_revision)"
							  " JOIN (SELECT g.application_id, g.chat_number, g.number,"
							  " row_number() OVER (PARTITION BY g.application_id, g.chat_number ORDER BY g.number) AS place FROM (%s) AS g) AS g"
							  " USING (application_id, chat_number)"
							  " GROUP BY k.application_id, k.chat_number, k.last_revision, g.number - g.place", gone),
					 lengthof(values), types, values);
}

/* A chat has got another key: what was recorded of it goes with it. */
void
deleted_messages_follow(ChatKey from, ChatKey to)
{
	static SavedPlan plan = SAVED_PLAN(
		"UPDATE chat_internal.deleted_messages SET application_id = $3, chat_number = $4"
		" WHERE application_id = $1 AND chat_number = $2",
		INT4OID, INT4OID, INT4OID, INT4OID);
	Datum		values[4] = {
		Int32GetDatum(from.application), Int32GetDatum(from.chat), Int32GetDatum(to.application), Int32GetDatum(to.chat)
	};

	spi_plan_write(&plan, values, NULL);
}

/* Forget what was recorded of chats that are gone: those in a trigger's transition table old_rows. */
void
deleted_messages_forget_chats(void)
{
	spi_execute("DELETE FROM chat_internal.deleted_messages AS d USING old_rows AS o"
				" WHERE d.application_id = o.application_id AND d.chat_number = o.number");
}

/* Forget everything: all chats are gone. */
void
deleted_messages_forget_all(void)
{
	spi_execute("TRUNCATE chat_internal.deleted_messages");
}
