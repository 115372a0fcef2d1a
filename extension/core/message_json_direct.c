/*
 * message_json_direct.c
 *	  Messages as JSON, read without statements.
 *
 * The rows are those that statements would give, in the same snapshot. The chat
 * is looked for first: one that was deleted has its messages for a while.
 */
#include "postgres.h"

#include "core/direct_lookup.h"
#include "core/message_json.h"
#include "rows/message_rows.h"

/* How a RowAccess that reads messages uses the tables. */
#define READS_OF_MESSAGES \
	{{ \
			[TABLE_APPLICATIONS] = ROW_USE(ROW_READ), \
			[TABLE_CHATS] = ROW_USE(ROW_READ), \
			[TABLE_MESSAGES] = ROW_USE(ROW_READ) \
	}}

/* What a page has: messages of a sender, NULL: of any; and deleted ones, too. */
typedef struct ListFilter
{
	const text *sender;
	bool		deleted;
} ListFilter;

/*
 * Store the messages that items name. Returns false if a statement has to do it.
 */
bool
message_json_get_direct(const NamedChats *chats, const ArrayArg *numbers, RowStore store)
{
	RowUses		uses = READS_OF_MESSAGES;
	RowAccess	access;
	KnownApplication application = {0};
	StringInfoData json;

	if (!row_access_begin_reading(&access, uses))
		return false;
	initStringInfo(&json);
	for (int i = 0; i < chats->count; i++)
	{
		int32		chat = DatumGetInt32(chats->numbers.values[i]);
		int32		number = DatumGetInt32(numbers->values[i]);
		Datum		values[MESSAGE_COLUMNS_COUNT];
		bool		nulls[MESSAGE_COLUMNS_COUNT];

		if (numbers->nulls[i] || number == PG_INT32_MIN || !direct_find_application(&access, chats, i, &application) ||
			!direct_find_chat(&access, application.id, chat))
			continue;
		message_rows_find(&access, application.id, chat, number - 1, number);
		if (message_rows_next(&access, ForwardScanDirection, values, nulls))
			message_json_store(store, &json, i + 1, values, nulls);
	}
	row_access_end(&access);
	return true;
}

/* The filter of an item, from 0 on. */
static ListFilter
filter_of(const ListFilters *filters, int i)
{
	ListFilter	filter = {
		.deleted = filters->deleted.count > 0 && !filters->deleted.nulls[i] && DatumGetBool(filters->deleted.values[i])
	};

	if (filters->senders.count > 0 && !filters->senders.nulls[i])
		filter.sender = DatumGetTextPP(filters->senders.values[i]);
	return filter;
}

/* Whether a message is to be listed. */
static bool
passes(const ListFilter *filter, const Datum *values, const bool *nulls)
{
	if (!nulls[MESSAGE_DELETED_AT] && !filter->deleted)
		return false;
	return filter->sender == NULL ||
		(!nulls[MESSAGE_SENDER] && direct_texts_equal(DatumGetTextPP(values[MESSAGE_SENDER]), filter->sender));
}

/* Write the page of an item, from 1 on, if its chat exists. */
static void
write_page(RowAccess *access, JsonPages *pages, int32 item, int32 application, int32 chat, ListPage page, ListFilter filter,
		   int32 passed_over_max)
{
	ScanDirection direction = page.from_end ? BackwardScanDirection : ForwardScanDirection;
	Datum		values[MESSAGE_COLUMNS_COUNT];
	bool		nulls[MESSAGE_COLUMNS_COUNT];
	int32		count = 0;
	int32		looked_at = 0;

	if (!direct_find_chat(access, application, chat))
		return;
	json_pages_next(pages, item);
	message_rows_find(access, application, chat, page.above, page.through);
	while (count < page.limit && message_rows_next(access, direction, values, nulls))
	{
		if (passes(&filter, values, nulls))
		{
			count++;
			if (!json_pages_add(pages, 0, values, nulls))
				break;
		}
		if (++looked_at == page.limit + passed_over_max && count < page.limit)
		{
			json_pages_stop(pages, DatumGetInt32(values[MESSAGE_NUMBER]));
			break;
		}
	}
}

/*
 * Write a page of each chat. Returns false, and has written none, if statements have
 * to do it.
 */
bool
message_json_list_direct(const NamedChats *chats, const ListPage *list, const ListFilters *filters, JsonPages *pages)
{
	RowUses		uses = READS_OF_MESSAGES;
	RowAccess	access;
	KnownApplication application = {0};

	if (!row_access_begin_reading(&access, uses))
		return false;
	for (int i = 0; i < chats->count; i++)
		if (direct_find_application(&access, chats, i, &application))
			write_page(&access, pages, i + 1, application.id, DatumGetInt32(chats->numbers.values[i]), list[i],
					   filter_of(filters, i), PAGE_PASSED_OVER_MAX(chats->count));
	json_pages_end(pages);
	row_access_end(&access);
	return true;
}
