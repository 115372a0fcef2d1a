/*
 * message_json.h
 *	  Messages as JSON: see message_json.c and message_json_direct.c.
 */
#ifndef PG_CHAT_MESSAGE_JSON_H
#define PG_CHAT_MESSAGE_JSON_H

#include "postgres.h"

#include "core/array_args.h"
#include "core/json_pages.h"
#include "core/pagination.h"

/* Chats that items name; an item names none where either is null. */
typedef struct NamedChats
{
	ArrayArg	applications;	/* tokens */
	ArrayArg	numbers;
	int			count;
} NamedChats;

/* What the pages of items have: messages of a sender, null: of any; and deleted ones, too. */
typedef struct ListFilters
{
	ArrayArg	senders;		/* without elements: null for each item */
	ArrayArg	deleted;
} ListFilters;

/*
 * How many messages that a page does not have, deleted ones or those of other
 * senders, a call of so many items may look at for each of them: 10,000 in all, which
 * takes some hundredths of a second. Then the page ends, and the next one goes on.
 */
#define PAGE_PASSED_OVER_MAX(items) (10000 / Max(items, 1) + 100)

extern NamedChats message_json_chats(FunctionCallInfo fcinfo);
extern void message_json_store(RowStore store, StringInfo json, int32 item, const Datum *values, const bool *nulls);
extern bool message_json_get_direct(const NamedChats *chats, const ArrayArg *numbers, RowStore store);
extern bool message_json_list_direct(const NamedChats *chats, const ListPage *list, const ListFilters *filters, JsonPages *pages);

#endif							/* PG_CHAT_MESSAGE_JSON_H */
