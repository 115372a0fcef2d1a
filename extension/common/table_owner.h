/*
 * table_owner.h
 *	  Triggers that act with the rights of their table's owner: see table_owner.c.
 */
#ifndef PG_CHAT_TABLE_OWNER_H
#define PG_CHAT_TABLE_OWNER_H

#include "postgres.h"

#include "utils/rel.h"

/* What to return to when a trigger has acted as the owner of its table. */
typedef struct TableOwnerSwitch
{
	Oid			user;
	int			security_context;
	int			nest_level;
} TableOwnerSwitch;

extern TableOwnerSwitch table_owner_become(Relation relation);
extern void table_owner_leave(TableOwnerSwitch caller);

#endif							/* PG_CHAT_TABLE_OWNER_H */
