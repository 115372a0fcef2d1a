/*
 * message_change.h
 *	  A change of one message, by update_message or delete_message: see
 *	  message_change.c.
 */
#ifndef PG_CHAT_MESSAGE_CHANGE_H
#define PG_CHAT_MESSAGE_CHANGE_H

#include "access/tupdesc.h"
#include "fmgr.h"
#include "utils/jsonb.h"

#include "common/message_columns.h"
#include "core/arg_error.h"

/* What is to be done with a message, and what came of it. */
typedef struct MessageChange
{
	text	   *token;			/* of the application; NULL: application is its id */
	int32		application;
	int32		chat;
	int32		number;
	bool		deletion;
	text	   *body;			/* the new one; NULL: it stays */
	Jsonb	   *metadata;		/* likewise */
	bool		no_metadata;	/* it gets none */
	bool		conditional;	/* only if its revision is the next, 0 standing for none */
	int32		if_revision;
	text	   *if_sender;		/* only if it is from this one; NULL: from any */

	ArgError	problem;		/* why it was refused, if it was */
	bool		changed;		/* else it was as wanted already */
	bool		found;
	Datum		values[MESSAGE_COLUMNS_COUNT];	/* what it is afterwards, if it was found */
	bool		nulls[MESSAGE_COLUMNS_COUNT];

	/* While it is worked on. */
	bool		counted;		/* the chat has given a revision for it */
	int32		revision;
	MemoryContext context;		/* of values */
} MessageChange;

/* What message_change_outcome returns. */
#define MESSAGE_OUTCOME_TYPES TEXTOID, TEXTOID, TEXTOID, JSONOID, INT4OID, BOOLOID

extern MessageChange message_change_of(FunctionCallInfo fcinfo, Oid application_type, int condition_argument);
extern void message_change_make(MessageChange *change);
extern Datum message_change_outcome(const MessageChange *change, TupleDesc descriptor);

#endif							/* PG_CHAT_MESSAGE_CHANGE_H */
