/*
 * table_owner.h
 *	  Acting as the tables' owner: see table_owner.c.
 */
#ifndef PG_CHAT_TABLE_OWNER_H
#define PG_CHAT_TABLE_OWNER_H

#include "postgres.h"

#include "common/chat_tables.h"

/* The rows that the owner is to see if row-level security is forced on a table. */
typedef enum OwnerSight
{
	OWNER_SEES_BY_POLICY,		/* those that the policies allow */
	OWNER_SEES_ALL				/* all: a statement that cannot see all fails with 42501 */
} OwnerSight;

/* The user and the settings to return to. */
typedef struct TableOwnerSwitch
{
	Oid			user;
	int			security_context;
	int			nest_level;		/* of settings */
	bool		restricted;		/* the owner is neither the caller nor a superuser */
} TableOwnerSwitch;

extern TableOwnerSwitch table_owner_become(OwnerSight sight);
extern TableOwnerSwitch table_owner_become_of(ChatTable table, OwnerSight sight);
extern void table_owner_see_all(void);
extern void table_owner_leave(TableOwnerSwitch caller);

#endif							/* PG_CHAT_TABLE_OWNER_H */
