/*
 * change_list_direct.c
 *	  What came after a position of a chat, read without statements.
 *
 * That is how far the chat is, and messages that were appended: most changes are
 * these. The rows are those that statements would give, in the same snapshot.
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "core/change_list.h"
#include "core/direct_lookup.h"
#include "rows/message_rows.h"

/*
 * Find how far the chats are that items name. Returns false if a statement has to do
 * it.
 */
bool
change_pages_find_direct(const NamedChats *chats, ChangePage *list)
{
	RowUses		uses = {{[TABLE_APPLICATIONS] = ROW_USE(ROW_READ), [TABLE_CHATS] = ROW_USE(ROW_READ)}};
	RowAccess	access;
	OpenTable  *table = &access.tables[TABLE_CHATS];
	KnownApplication application = {0};

	if (!row_access_begin_reading(&access, uses))
		return false;
	for (int i = 0; i < chats->count; i++)
	{
		ChangePage *page = &list[i];

		if (!direct_find_application(&access, chats, i, &application) ||
			!direct_find_chat(&access, application.id, DatumGetInt32(chats->numbers.values[i])))
			continue;
		page->found = true;
		page->application = application.id;
		page->chat = DatumGetInt32(chats->numbers.values[i]);
		page->last_number = DatumGetInt32(row_found_value(table, CHATS_LAST_NUMBER));
		page->last_revision = DatumGetInt32(row_found_value(table, CHATS_LAST_REVISION));
	}
	row_access_end(&access);
	return true;
}

/*
 * Add the messages above the page's number, as changes. Returns false if a statement has
 * to do it.
 */
bool
change_page_append_direct(JsonPages *pages, const ChangePage *page)
{
	RowUses		uses = {{[TABLE_MESSAGES] = ROW_USE(ROW_READ)}};
	RowAccess	access;
	Datum		values[MESSAGE_COLUMNS_COUNT];
	bool		nulls[MESSAGE_COLUMNS_COUNT];
	char		suffix[sizeof(".2147483647")];
	char		position[sizeof("2147483647") + sizeof(suffix)];

	if (!row_access_begin_reading(&access, uses))
		return false;
	snprintf(suffix, sizeof(suffix), ".%d", page->last_revision);
	message_rows_find(&access, page->application, page->chat, page->number, PG_INT32_MAX);
	while (pages->count < page->limit && message_rows_next(&access, ForwardScanDirection, values, nulls))
	{
		memcpy(position + pg_ltoa(DatumGetInt32(values[MESSAGE_NUMBER]), position), suffix, sizeof(suffix));
		if (!json_pages_add_change(pages, position,
								   !nulls[MESSAGE_DELETED_AT] ? "deleted" : !nulls[MESSAGE_EDITED_AT] ? "updated" : "created",
								   values, nulls))
			break;
	}
	row_access_end(&access);
	return true;
}
