/*
 * chat_tables.h
 *	  The tables of chat, as they are now: see chat_tables.c.
 */
#ifndef PG_CHAT_CHAT_TABLES_H
#define PG_CHAT_CHAT_TABLES_H

#include "rows/plain_table.h"

typedef enum ChatTable
{
	TABLE_APPLICATIONS,
	TABLE_APPLICATION_COUNTERS,
	TABLE_CHATS,
	TABLE_MESSAGES
} ChatTable;

#define CHAT_TABLES 4

/* Their columns, as places in PlainTable.columns. */
enum
{
	APPLICATIONS_ID, APPLICATIONS_TOKEN
};

/* The columns that count are at the same places in both tables of counters. */
enum
{
	COUNTERS_APPLICATION, COUNTERS_LAST_NUMBER, COUNTERS_COUNT
};

enum
{
	CHATS_APPLICATION, CHATS_LAST_NUMBER, CHATS_COUNT, CHATS_NUMBER, CHATS_CREATED_AT
};

enum
{
	MESSAGES_APPLICATION, MESSAGES_CHAT, MESSAGES_NUMBER, MESSAGES_BODY, MESSAGES_CREATED_AT
};

/* Their keys, as places in PlainTable.keys. */
enum
{
	KEY_FIRST, APPLICATIONS_KEY_TOKEN
};

extern void chat_tables_init(void);
extern const char *chat_tables_obstacle(void);
extern const char *chat_tables_name(ChatTable which);
extern const PlainTable *chat_tables_look(ChatTable which);
extern bool chat_tables_are_known(ChatTable which);

#endif							/* PG_CHAT_CHAT_TABLES_H */
