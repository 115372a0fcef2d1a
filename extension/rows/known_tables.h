/*
 * known_tables.h
 *	  Descriptions of the tables whose rows are accessed without statements:
 *	  see known_tables.c.
 */
#ifndef PG_CHAT_KNOWN_TABLES_H
#define PG_CHAT_KNOWN_TABLES_H

#include "common/chat_tables.h"
#include "common/message_columns.h"
#include "rows/plain_table.h"

/* They are the first of ChatTable. */
#define KNOWN_TABLES (TABLE_MESSAGES + 1)

/* pg_chat.direct_rows: whether rows may be accessed without statements. */
extern bool guc_direct_rows;

/* Their columns, as places in PlainTable.columns. */
enum
{
	APPLICATIONS_ID, APPLICATIONS_TOKEN, APPLICATIONS_DELETED_AT
};

/* The columns that count are at the same places in both tables of counters. */
enum
{
	COUNTERS_APPLICATION, COUNTERS_LAST_NUMBER, COUNTERS_COUNT
};

enum
{
	CHATS_APPLICATION, CHATS_LAST_NUMBER, CHATS_COUNT, CHATS_NUMBER, CHATS_CREATED_AT, CHATS_LAST_REVISION,
	CHATS_DELETED_AT
};

/* A MessageColumn is at MESSAGES_COLUMNS + that. */
enum
{
	MESSAGES_APPLICATION, MESSAGES_CHAT, MESSAGES_COLUMNS, MESSAGES_KEY = MESSAGES_COLUMNS + MESSAGE_COLUMNS_COUNT,
	MESSAGES_KEY_DIGEST
};

/* Their keys, as places in PlainTable.keys. */
enum
{
	KEY_FIRST, APPLICATIONS_KEY_TOKEN, MESSAGES_KEY_KEY = 1
};

extern void known_tables_init(void);
extern const char *known_tables_obstacle(void);
extern const char *known_tables_name(ChatTable which);
extern const PlainTable *known_tables_look(ChatTable which);
extern bool known_tables_are_known(ChatTable which);

#endif							/* PG_CHAT_KNOWN_TABLES_H */
