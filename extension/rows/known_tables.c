/*
 * known_tables.c
 *	  Descriptions of the tables whose rows are accessed without statements.
 *
 * Each table is examined when it is first needed. The result is kept until
 * PostgreSQL sends an invalidation that may concern it: of the table, of a
 * schema, of a function. Invalidations arrive when a lock is taken; so a
 * caller first locks the table, and then checks whether its description is
 * still valid.
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "executor/executor.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "common/message_columns.h"
#include "rows/known_tables.h"
#include "rows/tid_cache.h"

bool		guc_direct_rows;

/*
 * A column of a message: created_at has a default, and the columns of changes
 * are null in a new message.
 */
#define MESSAGE_SHAPE(argument, NAME, name, TYPE) \
	[MESSAGES_COLUMNS + MESSAGE_##NAME] = { \
		#name, TYPE##OID, \
		MESSAGE_##NAME == MESSAGE_CREATED_AT ? DEFAULT_CLOCK : \
		MESSAGE_##NAME == MESSAGE_EDITED_AT || MESSAGE_##NAME == MESSAGE_DELETED_AT ? DEFAULT_NULL : DEFAULT_GIVEN, \
		.updated = MESSAGE_##NAME != MESSAGE_CREATED_AT, \
		.nullable = MESSAGE_##NAME > MESSAGE_CREATED_AT \
	},

static const TableShape shapes[KNOWN_TABLES] = {
	[TABLE_APPLICATIONS] = {
		.name = "applications",
		.columns_count = 3,
		.columns = {
			[APPLICATIONS_ID] = {"id", INT4OID},
			[APPLICATIONS_TOKEN] = {"token", TEXTOID},
			[APPLICATIONS_DELETED_AT] = {"deleted_at", TIMESTAMPTZOID, DEFAULT_NULL, .nullable = true}
		},
		.keys_count = 2,
		.keys = {{APPLICATIONS_ID, -1}, {APPLICATIONS_TOKEN, -1}}
	},
	[TABLE_APPLICATION_COUNTERS] = {
		.name = "application_counters",
		.columns_count = 3,
		.columns = {
			[COUNTERS_APPLICATION] = {"application_id", INT4OID},
			[COUNTERS_LAST_NUMBER] = {"last_chat_number", INT4OID, .updated = true},
			[COUNTERS_COUNT] = {"chats_count", INT4OID, .updated = true}
		},
		.keys_count = 1,
		.keys = {{COUNTERS_APPLICATION, -1}}
	},
	[TABLE_CHATS] = {
		.name = "chats",
		.columns_count = 7,
		.columns = {
			[CHATS_APPLICATION] = {"application_id", INT4OID},
			[CHATS_NUMBER] = {"number", INT4OID},
			[CHATS_LAST_NUMBER] = {"last_message_number", INT4OID, DEFAULT_ZERO, .updated = true},
			[CHATS_COUNT] = {"messages_count", INT4OID, DEFAULT_ZERO, .updated = true},
			[CHATS_CREATED_AT] = {"created_at", TIMESTAMPTZOID, DEFAULT_CLOCK},
			[CHATS_LAST_REVISION] = {"last_revision", INT4OID, DEFAULT_ZERO, .updated = true},
			[CHATS_DELETED_AT] = {"deleted_at", TIMESTAMPTZOID, DEFAULT_NULL, .nullable = true}
		},
		.keys_count = 1,
		.keys = {{CHATS_APPLICATION, CHATS_NUMBER, -1}},
		.parent = "applications"
	},
	[TABLE_MESSAGES] = {
		.name = "messages",
		.columns_count = MESSAGES_KEY_DIGEST + 1,
		.columns = {
			[MESSAGES_APPLICATION] = {"application_id", INT4OID},
			[MESSAGES_CHAT] = {"chat_number", INT4OID},
			[MESSAGES_COLUMNS + MESSAGE_NUMBER] = {"number", INT4OID},
			MESSAGE_ALL_BUT_NUMBER(MESSAGE_SHAPE,)
			[MESSAGES_KEY] = {"key", TEXTOID, .nullable = true},
			[MESSAGES_KEY_DIGEST] = {"key_digest", BYTEAOID, .nullable = true}
		},
		.keys_count = 2,
		.keys = {
			{MESSAGES_APPLICATION, MESSAGES_CHAT, MESSAGES_COLUMNS + MESSAGE_NUMBER, -1},
			{MESSAGES_APPLICATION, MESSAGES_CHAT, MESSAGES_KEY, -1}
		}
	}
};

typedef struct KnownTable
{
	bool		known;			/* no invalidation since it was examined */
	PlainTable	table;
	MemoryContext context;		/* what table points to */
} KnownTable;

static KnownTable tables[KNOWN_TABLES];

/* The number of invalidations that may have concerned a table. */
static uint64 announcements = 0;

static void
forget(KnownTable *known)
{
	known->known = false;
	announcements++;
}

static void
on_relation_change(Datum argument, Oid relation)
{
	for (int i = 0; i < KNOWN_TABLES; i++)
		if (!OidIsValid(relation) || relation == tables[i].table.oid)
			forget(&tables[i]);
}

static void
on_catalog_change(Datum argument, int cache, uint32 hash)
{
	for (int i = 0; i < KNOWN_TABLES; i++)
		forget(&tables[i]);
}

/* Register for invalidations. Called once, when the library is loaded. */
void
known_tables_init(void)
{
	CacheRegisterRelcacheCallback(on_relation_change, (Datum) 0);
	CacheRegisterSyscacheCallback(NAMESPACEOID, on_catalog_change, (Datum) 0);
	CacheRegisterSyscacheCallback(PROCOID, on_catalog_change, (Datum) 0);
}

/* The name of a table in schema chat. */
const char *
known_tables_name(ChatTable which)
{
	return shapes[which].name;
}

/* Returns whether the last description of a table is still valid. */
bool
known_tables_are_known(ChatTable which)
{
	return tables[which].known;
}

/* Returns whether rows may be elsewhere than in these tables, as with Citus. */
static bool
may_be_distributed(void)
{
	return OidIsValid(get_extension_oid("citus", true));
}

/* Examine a table. The result counts only if there was no invalidation meanwhile. */
static void
examine(KnownTable *known, const TableShape *shape)
{
	Oid			oid = chat_table_oid(known - tables);
	Relation	relation = OidIsValid(oid) ? try_relation_open(oid, AccessShareLock) : NULL;
	uint64		before = announcements;
	MemoryContext caller;

	if (known->context == NULL)
		known->context = AllocSetContextCreate(CacheMemoryContext, "pg_chat plain table", ALLOCSET_SMALL_SIZES);
	MemoryContextReset(known->context);
	plain_table_clear(&known->table, relation == NULL ? "it does not exist" :
					  may_be_distributed() ? "the database has the extension citus" : NULL);
	if (relation == NULL)
		return;
	known->table.oid = oid;
	caller = MemoryContextSwitchTo(known->context);
	plain_table_examine(&known->table, shape, relation);
	MemoryContextSwitchTo(caller);
	relation_close(relation, AccessShareLock);
	known->known = announcements == before;
}

/*
 * Returns the description of a table, which is valid until the next
 * invalidation; see above.
 */
const PlainTable *
known_tables_look(ChatTable which)
{
	if (!tables[which].known)
	{
		tid_cache_forget(which);
		examine(&tables[which], &shapes[which]);
	}
	return &tables[which].table;
}

/*
 * Why no table's rows are accessed without statements, whatever the tables;
 * NULL if they may be. A module that checks or logs what statements access, as
 * pgaudit does, would not see the rest.
 */
const char *
known_tables_obstacle(void)
{
	if (!guc_direct_rows)
		return "pg_chat.direct_rows is off";
	if (ExecutorCheckPerms_hook != NULL)
		return "a loaded module checks the permissions of statements";
	return NULL;
}
