/*
 * sql_commands.h
 *	  Commands that a query makes: see sql_commands.c.
 */
#ifndef PG_CHAT_SQL_COMMANDS_H
#define PG_CHAT_SQL_COMMANDS_H

#include "postgres.h"

extern uint64 sql_commands_execute(const char *query);

#endif							/* PG_CHAT_SQL_COMMANDS_H */
