/*
 * json_pages.h
 *	  Pages of messages as JSON: see json_pages.c.
 */
#ifndef PG_CHAT_JSON_PAGES_H
#define PG_CHAT_JSON_PAGES_H

#include "postgres.h"

#include "lib/stringinfo.h"
#include "tcop/dest.h"

#include "common/message_columns.h"
#include "common/spi_plan.h"

/*
 * The types of the columns of a page's row: messages, messages_count, cut,
 * first and last. A place is a number or, across chats, an array of the chat's
 * number and the message's. With items, a column item comes first. A page of changes has
 * its last position instead of first, and the argument at fault instead of last.
 */
#define JSON_PAGE_TYPES(place_type) JSONOID, INT4OID, BOOLOID, place_type, place_type

/* Where the rows of a statement have what, as columns from 1 on; 0: they do not. */
typedef struct JsonPageColumns
{
	int			item;
	int			chat;
	int			stop;			/* whether the page ends here, without the message of the row: a
								 * boolean */
	int			change;			/* of a page of changes: position and event, texts */
	int			message;		/* MESSAGE_COLUMNS, from there on */
} JsonPageColumns;

/* The place of a message; chat is 0 in a page of one chat. */
typedef struct JsonPlace
{
	int32		chat;
	int32		number;
} JsonPlace;

/*
 * Pages that are being written, with json_pages_next and json_pages_add. What
 * statements give to receiver are the rows of the pages, item after item; without a
 * column of items, all are of one page.
 */
typedef struct JsonPages
{
	DestReceiver receiver;		/* the first member */
	RowStore	store;
	JsonPageColumns columns;
	bool		has_items;		/* rows are returned for items */
	int32		max_size;		/* bytes of a page, unless it has one message; 0: any number */
	const bool *from_end;		/* by item: the last message comes first */

	/* The page that is being written. */
	int32		item;			/* 0: none */
	bool		cut;			/* there may be more, though it has fewer messages than it might */
	int			count;
	int		   *starts;			/* offsets of its messages in json */
	int			starts_size;
	JsonPlace	nearest;		/* of the message that came first */
	JsonPlace	farthest;		/* and last, or where the page was stopped */
	bool		stopped;
	int			position;		/* of the last change: its offset in json */
	int			position_length;
	StringInfoData json;		/* a text datum, from its header on */
	StringInfoData reversed;
} JsonPages;

extern void json_pages_begin(JsonPages *pages, RowStore store, JsonPageColumns columns, int32 max_size, const bool *from_end);
extern void json_pages_next(JsonPages *pages, int32 item);
extern bool json_pages_add(JsonPages *pages, int32 chat, const Datum *values, const bool *nulls);
extern bool json_pages_add_change(JsonPages *pages, const char *position, const char *event, const Datum *values, const bool *nulls);
extern void json_pages_stop(JsonPages *pages, int32 number);
extern void json_pages_end_changes(JsonPages *pages, const char *position, const char *field);
extern void json_pages_end(JsonPages *pages);

#endif							/* PG_CHAT_JSON_PAGES_H */
