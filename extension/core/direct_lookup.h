/*
 * direct_lookup.h
 *	  Applications and chats that items name, found without statements: see
 *	  direct_lookup.c.
 */
#ifndef PG_CHAT_DIRECT_LOOKUP_H
#define PG_CHAT_DIRECT_LOOKUP_H

#include "core/message_json.h"
#include "rows/row_lookup.h"

/* The application of the last item. */
typedef struct KnownApplication
{
	const text *token;			/* NULL: there was no item */
	bool		exists;
	int32		id;
} KnownApplication;

extern bool direct_texts_equal(const text *a, const text *b);
extern bool direct_find_application(RowAccess *access, const NamedChats *chats, int i, KnownApplication *known);
extern bool direct_find_chat(RowAccess *access, int32 application, int32 chat);

#endif							/* PG_CHAT_DIRECT_LOOKUP_H */
