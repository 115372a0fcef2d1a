/*
 * pg_chat.c
 *	  Loading of the library.
 *
 * The extension keeps applications, chats and messages in the schema chat;
 * sql/pg_chat.sql defines the tables and what a caller sees. The C code is
 * divided by noun:
 *
 *	application.c, chat.c, message.c	the functions of the API
 *	allocation.c	numbers and rows of new messages
 *	api.c			entry into a function: its application, by id or token
 *	page.c			lists: after, before, limit
 *	problem.c		errors about an argument, raised or reported
 *	plan.c			statements, prepared once for the session
 *	fold.c			letter case
 *	settings.c		pg_chat.*
 *	role.c			the role chat_api
 *	compat.h		differences between versions of PostgreSQL
 */
#include "postgres.h"

#include "fmgr.h"

#include "settings.h"

PG_MODULE_MAGIC;

void		_PG_init(void);

void
_PG_init(void)
{
	settings_define();
}
