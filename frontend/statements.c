/*
 * statements.c
 *		The statements that chatd sends, prepared on every connection.
 *
 * The casts choose the forms by token of the extension's functions.
 */
#include "statements.h"

const Statement statements[STATEMENT_COUNT] = {
	[CREATE_APPLICATION] = {"create_application",
		"SELECT token FROM chat.create_application($1::text)"},
	[GET_APPLICATION] = {"get_application",
		"SELECT id, token, name, chats_count FROM chat.get_application($1::text)"},
	[LIST_APPLICATIONS] = {"list_applications",
		"SELECT id, token, name, chats_count"
		" FROM chat.list_applications($1::integer, $2::integer, $3::integer)"},
	[CREATE_CHAT] = {"create_chat",
		"SELECT chat.create_chat($1::text, $2::integer)"},
	[GET_CHAT] = {"get_chat",
		"SELECT number, messages_count FROM chat.get_chat($1::text, $2::integer)"},
	[LIST_CHATS] = {"list_chats",
		"SELECT number, messages_count"
		" FROM chat.list_chats($1::text, $2::integer, $3::integer, $4::integer)"},
	[CREATE_MESSAGES] = {"create_messages",
		"SELECT number, sqlstate, field, message"
		" FROM chat.create_messages($1::text[], $2::integer[], $3::text[], $4::integer[])"},
	[GET_MESSAGE] = {"get_message",
		"SELECT number, body FROM chat.get_message($1::text, $2::integer, $3::integer)"},
	[LIST_MESSAGES] = {"list_messages",
		"SELECT number, body"
		" FROM chat.list_messages($1::text, $2::integer, $3::integer, $4::integer, $5::integer)"},
	[LAST_MESSAGES] = {"last_messages",
		"SELECT number, body FROM chat.last_messages($1::text, $2::integer, $3::integer)"},
	[SEARCH_MESSAGES] = {"search_messages",
		"SELECT number, body"
		" FROM chat.search_messages($1::text, $2::integer, $3::text, $4::integer, $5::integer, $6::integer)"},
};
