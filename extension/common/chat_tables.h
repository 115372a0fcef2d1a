/*
 * chat_tables.h
 *	  The extension's tables and their one owner: see chat_tables.c.
 */
#ifndef PG_CHAT_CHAT_TABLES_H
#define PG_CHAT_CHAT_TABLES_H

#include "postgres.h"

typedef enum ChatTable
{
	TABLE_APPLICATIONS,
	TABLE_APPLICATION_COUNTERS,
	TABLE_CHATS,
	TABLE_MESSAGES,
	TABLE_REPAIRED_COUNTS,
	TABLE_DELETED_MESSAGES,
	TABLE_RECOUNT_QUEUE,
	TABLE_REDIS_KEY_QUEUE,
	TABLE_SEARCH_INDEXES,
	TABLE_SEARCH_WATERMARKS,
	TABLE_SEARCH_QUEUE,
	TABLE_WORKER_JOBS,
	TABLE_API_KEYS,
	TABLE_SIGNING_KEYS,
	TABLE_TICKETS,
	TABLE_CURSORS,
	TABLE_CONSUMER_POSITIONS
} ChatTable;

#define CHAT_TABLES (TABLE_CONSUMER_POSITIONS + 1)

extern void chat_tables_init(void);
extern Oid	chat_table_oid(ChatTable table);
extern Oid	chat_table_owner(ChatTable table);
extern Oid	chat_tables_owner(void);

#endif							/* PG_CHAT_CHAT_TABLES_H */
