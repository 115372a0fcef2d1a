/*
 * owner.h
 *	  Triggers that act with the rights of their table's owner: see owner.c.
 */
#ifndef PG_CHAT_OWNER_H
#define PG_CHAT_OWNER_H

#include "postgres.h"

#include "utils/rel.h"

/* What to return to when a trigger has acted as the owner of its table. */
typedef struct Caller
{
	Oid			user;
	int			security_context;
	int			nest_level;
} Caller;

extern Caller owner_become(Relation relation);
extern void owner_leave(Caller caller);

#endif							/* PG_CHAT_OWNER_H */
