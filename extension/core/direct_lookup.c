/*
 * direct_lookup.c
 *	  Applications and chats that items name, found without statements.
 */
#include "postgres.h"

#include "core/direct_lookup.h"

/* Whether two texts have the same bytes. */
bool
direct_texts_equal(const text *a, const text *b)
{
	return VARSIZE_ANY_EXHDR(a) == VARSIZE_ANY_EXHDR(b) && memcmp(VARDATA_ANY(a), VARDATA_ANY(b), VARSIZE_ANY_EXHDR(a)) == 0;
}

/* Find the application that an item, from 0 on, names. Returns false if it names no chat, or none of an application. */
bool
direct_find_application(RowAccess *access, const NamedChats *chats, int i, KnownApplication *known)
{
	OpenTable  *applications = &access->tables[TABLE_APPLICATIONS];
	text	   *token;

	if (chats->applications.nulls[i] || chats->numbers.nulls[i])
		return false;
	token = DatumGetTextPP(chats->applications.values[i]);
	if (known->token == NULL || !direct_texts_equal(known->token, token))
	{
		RowKey		key = row_key_of_token(token);

		known->token = token;
		known->exists = row_lookup(access, applications, &key);
		if (known->exists)
			known->id = DatumGetInt32(row_found_value(applications, APPLICATIONS_ID));
	}
	return known->exists;
}

/* Find a chat. Returns false if there is none, or it was deleted. */
bool
direct_find_chat(RowAccess *access, int32 application, int32 chat)
{
	OpenTable  *chats = &access->tables[TABLE_CHATS];
	RowKey		key = row_key_of_chat(application, chat);

	return row_lookup(access, chats, &key) && row_found_is_null(chats, CHATS_DELETED_AT);
}
