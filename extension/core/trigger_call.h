/*
 * trigger_call.h
 *	  How trigger functions are called: see trigger_call.c.
 */
#ifndef PG_CHAT_TRIGGER_CALL_H
#define PG_CHAT_TRIGGER_CALL_H

#include "postgres.h"

#include "commands/trigger.h"
#include "fmgr.h"

#include "common/chat_tables.h"

/* Events, as bits of a set. */
#define ON_INSERT (1 << TRIGGER_EVENT_INSERT)
#define ON_DELETE (1 << TRIGGER_EVENT_DELETE)
#define ON_UPDATE (1 << TRIGGER_EVENT_UPDATE)
#define ON_TRUNCATE (1 << TRIGGER_EVENT_TRUNCATE)

/* When and on which level a trigger fires. */
#define BEFORE_ROW (TRIGGER_EVENT_BEFORE | TRIGGER_EVENT_ROW)
#define BEFORE_STATEMENT TRIGGER_EVENT_BEFORE
#define AFTER_ROW (TRIGGER_EVENT_AFTER | TRIGGER_EVENT_ROW)
#define AFTER_STATEMENT TRIGGER_EVENT_AFTER

/* Tables, as bits of a set. */
#define TABLE_BIT(table) (1 << (table))

/* The triggers that may call a function, as the installation script declares them. */
typedef struct TriggerUse
{
	TriggerEvent when;			/* one of the above */
	int			events;
	int			tables;
	bool		old_rows;		/* has this transition table */
	bool		new_rows;
} TriggerUse;

extern TriggerData *trigger_check(FunctionCallInfo fcinfo, TriggerUse use);
extern bool trigger_is_on(const TriggerData *trigger, ChatTable table);
extern int	trigger_column(const TriggerData *trigger, const char *column, Oid type);
extern Datum trigger_value(const TriggerData *trigger, HeapTuple tuple, const char *column, Oid type, bool *isnull);
extern int32 trigger_int32(const TriggerData *trigger, HeapTuple tuple, const char *column);
extern bool trigger_changes(const TriggerData *trigger, const char *const *columns, int count);

#endif							/* PG_CHAT_TRIGGER_CALL_H */
