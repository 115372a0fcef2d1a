/*
 * statements.c
 *		The statements that chatd sends, prepared in every session that may need them.
 *
 * The casts select the variants of the extension's functions that take a token.
 * Text that is copied into responses is returned as JSON, messages as a whole.
 */
#include <stdlib.h>
#include <string.h>

#include "db/statements.h"

/* New messages, as parameters, and what becomes of them: see writes.h. */
#define NEW_MESSAGES \
	"$1::text[], $2::integer[], $3::text[], $4::integer[], wait => false, senders => $5::text[]," \
	" metadata => $6::jsonb[], keys => $7::text[], if_last => $8::integer[]," \
	" move_cursors => $9::integer[]::boolean[]"
#define OUTCOME \
	"number, sqlstate, field, message, chat.rfc3339(created_at), ($6::jsonb[])[item], revision, replayed"

const Statement statements[STATEMENT_COUNT] = {
	[CREATE_APPLICATION] = {"create_application",
	"SELECT application, id, replayed FROM chat.create_application_json($1::text, $2::text)"},
	[GET_APPLICATION] = {"get_application",
		"SELECT id, pg_catalog.to_json(token), pg_catalog.to_json(name), chats_count, chat.rfc3339(created_at)"
	" FROM chat.get_application($1::text)", .server = STANDBY_FIRST},
	[LIST_APPLICATIONS] = {"list_applications",
		"SELECT id, pg_catalog.to_json(token), pg_catalog.to_json(name), chats_count, chat.rfc3339(created_at)"
	" FROM chat.list_applications($1::integer, $2::integer, $3::integer)", .server = STANDBY_FIRST},
	[CREATE_CHAT] = {"create_chat",
	"SELECT chat, replayed FROM chat.create_chat_json($1::text, $2::integer, $3::text)"},
	[GET_CHAT] = {"get_chat",
	"SELECT number, messages_count, chat.rfc3339(created_at) FROM chat.get_chat($1::text, $2::integer)", .server = STANDBY_FIRST},
	[LIST_CHATS] = {"list_chats",
		"SELECT number, messages_count, chat.rfc3339(created_at)"
	" FROM chat.list_chats($1::text, $2::integer, $3::integer, $4::integer)", .server = STANDBY_FIRST},
	[DELETE_CHAT] = {"delete_chat",
	"SELECT chat.delete_chat($1::text, $2::integer)"},
	[CREATE_MESSAGES] = {"create_messages",
	"SELECT " OUTCOME " FROM chat.create_messages(" NEW_MESSAGES ")"},
	[CREATE_ALL_MESSAGES] = {"create_all_messages",
	"SELECT " OUTCOME " FROM chat.create_messages(" NEW_MESSAGES ", atomic => true)"},
	[IMPORT_MESSAGES] = {"import_messages",
		"SELECT number, sqlstate, field, message, NULL, NULL, revision, replayed"
		" FROM chat.import_messages($1::text, $2::integer, $3::integer[], $4::text[], $5::text[]::timestamptz[], $6::text[],"
	" $7::jsonb[], $8::text[]::timestamptz[], $9::text[]::timestamptz[], $10::integer[], $11::text[])"},
	[IMPORT_APPLICATION] = {"import_application",
		"SELECT number, sqlstate, field, message, NULL, NULL, revision, replayed"
		" FROM chat.import_application($1::text, $11::integer[], $2::integer[], $3::text[], $4::text[]::timestamptz[], $5::text[],"
	" $6::jsonb[], $7::text[]::timestamptz[], $8::text[]::timestamptz[], $9::integer[], $10::text[])"},
	[UPDATE_MESSAGE] = {"update_message",
		"SELECT sqlstate, field, message, current, revision, deleted"
	" FROM chat.update_message_json($1::text, $2::integer, $3::integer, $4::text, $5::jsonb, $6::integer, $7::text)"},
	[DELETE_MESSAGE] = {"delete_message",
		"SELECT sqlstate, field, message, current, revision, deleted"
	" FROM chat.delete_message_json($1::text, $2::integer, $3::integer, $4::integer, $5::text)"},
	[GET_MESSAGES] = {"get_messages",
		"SELECT message, revision, deleted, item"
	" FROM chat.get_messages_json($1::text[], $2::integer[], $3::integer[])", BATCH, .server = STANDBY_FIRST},
	[LIST_MESSAGES] = {"list_messages",
		"SELECT first, last, messages_count, cut, messages, item"
		" FROM chat.list_messages_json($1::text[], $2::integer[], $3::integer[], $4::integer[], $5::integer[],"
	" max_size => $6::integer)", BATCH_OF_PAGES, .scans = true, .server = STANDBY_FIRST},
	[LAST_MESSAGES] = {"last_messages",
		"SELECT first, last, messages_count, cut, messages, item"
		" FROM chat.last_messages_json($1::text[], $2::integer[], $3::integer[], max_size => $4::integer)",
	BATCH_OF_PAGES, .scans = true, .server = STANDBY_FIRST},
	[LIST_FILTERED_MESSAGES] = {"list_filtered_messages",
		"SELECT first, last, messages_count, cut, messages"
		" FROM chat.list_messages_json(ARRAY[$1::text], ARRAY[$2::integer], ARRAY[$3::integer], ARRAY[$4::integer],"
	" ARRAY[$5::integer], $6::integer, ARRAY[$7::text], ARRAY[$8::integer = 1])", .scans = true, .server = STANDBY_FIRST},
	[LAST_FILTERED_MESSAGES] = {"last_filtered_messages",
		"SELECT first, last, messages_count, cut, messages"
		" FROM chat.last_messages_json(ARRAY[$1::text], ARRAY[$2::integer], ARRAY[$3::integer], $4::integer,"
	" ARRAY[$5::text], ARRAY[$6::integer = 1])", .scans = true, .server = STANDBY_FIRST},
	[LIST_CHANGES] = {"list_changes",
		"SELECT changes, changes_count, cut, \"position\", field, item"
		" FROM chat.list_changes_json($1::text[], $2::integer[], $3::integer[], $4::integer[], $5::integer[],"
	" max_size => $6::integer)", BATCH_OF_PAGES, .server = STANDBY_FIRST},
	[SEARCH_MESSAGES] = {"search_messages",
		"SELECT first, last, messages_count, cut, messages"
		" FROM chat.search_messages_json($1::text, $2::integer, $3::text, $4::integer, $5::integer, $6::integer,"
	" max_size => $7::integer)", .server = STANDBY_FIRST},
	[SEARCH_APPLICATION] = {"search_application",
		"SELECT first[2], last[2], messages_count, cut, messages, first[1], last[1]"
		" FROM chat.search_application_json($1::text, $2::text, $3::integer[], $4::integer[], $5::integer,"
	" max_size => $6::integer)", .server = STANDBY_FIRST},
	[CHECK_KEYS] = {"check_keys",
		"SELECT application_id, token, scope, ($1::text[])[item], ($2::integer[])[item], item"
	" FROM chat.check_keys($1::text[]::bytea[], $2::integer[])", BATCH, .server = PRIMARY_FIRST},
	[NOTE_KEY_USE] = {"note_key_use",
	"SELECT chat.note_key_use($1::integer[])"},
	[GET_VERIFICATION_KEYS] = {"get_verification_keys",
		"SELECT application_id, algorithm, pg_catalog.encode(material, 'hex'), item"
	" FROM chat.get_verification_keys($1::text[], $2::text[])", BATCH, .server = PRIMARY_FIRST},
	[GET_TOKENS] = {"get_tokens",
	"SELECT token, item FROM chat.get_tokens($1::text[]::integer[])", BATCH, .server = PRIMARY_FIRST},
	[CREATE_TICKET] = {"create_ticket",
	"SELECT chat.create_ticket($1::text, $2::bytea, $3::text)"},
	[USE_TICKET] = {"use_ticket",
	"SELECT chat.use_ticket($1::text, $2::bytea)"},
	[GET_POSITIONS] = {"get_positions",
		"SELECT application_id, number, revision, pg_catalog.pg_is_in_recovery(), item"
	" FROM chat.get_positions($1::text[], $2::integer[])", BATCH, .server = STANDBY_FIRST},
	[GET_CHATS_POSITIONS] = {"get_chats_positions",
		"SELECT a.id, p.number, p.revision, pg_catalog.pg_is_in_recovery(), n.numbers[p.item]"
		" FROM chat.get_application($1::text) AS a"
		" CROSS JOIN (SELECT COALESCE($2::integer[], (SELECT pg_catalog.array_agg(l.number)"
		" FROM chat.list_chats($1::text, NULL, NULL, $3::integer) AS l)) AS numbers) AS n"
		" LEFT JOIN LATERAL chat.get_positions(pg_catalog.array_fill($1::text,"
	" ARRAY[COALESCE(pg_catalog.cardinality(n.numbers), 0)]), COALESCE(n.numbers, '{}')) AS p ON true", .server = STANDBY_FIRST},
	[SET_CURSOR] = {"set_cursor",
		"SELECT pg_catalog.to_json(reader), number, unread_count FROM chat.set_cursor($1::text, $2::integer, $3::text,"
	" COALESCE($4::integer, 0), back => $5::integer IS NOT NULL)"},
	[GET_CURSOR] = {"get_cursor",
		"SELECT pg_catalog.to_json(reader), number, unread_count"
	" FROM chat.get_cursor($1::text, $2::integer, $3::text)", .scans = true, .server = STANDBY_FIRST},
	[LIST_CURSORS] = {"list_cursors",
		"SELECT pg_catalog.to_json(reader), number, reader"
	" FROM chat.list_cursors($1::text, $2::integer, $3::text, $4::integer)", .server = STANDBY_FIRST},
	[LIST_UNREAD] = {"list_unread",
		"SELECT first, last, chats_count, cut, chats"
		" FROM chat.list_unread_json($1::text, $2::text, $3::integer, $4::integer, $5::integer,"
	" max_size => $6::integer, chats => $7::integer[])", .scans = true, .server = STANDBY_FIRST},
	[WAIT_FOR_CHANGES] = {"wait_for_changes",
	"CALL chat.wait_for_changes($1::bigint, $2::integer)", .server = STANDBY_FIRST},
	[GET_LSN] = {"get_lsn",
	"SELECT CASE WHEN NOT pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_current_wal_flush_lsn() END"},
	[GET_REPLAYED_LSN] = {"get_replayed_lsn",
		"SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn()"
	" ELSE 'FFFFFFFF/FFFFFFFF' END", .server = STANDBY_FIRST},
	[GET_FIGURES] = {"get_figures",
	"SELECT name, label, value FROM chat.figures()"},
	[GET_STATUS] = {"get_status",
	"SELECT chat.status_json()"},
	[GET_BACKEND] = {"get_backend",
	"SELECT pg_catalog.pg_backend_pid()"},
	[OPEN_EXPORT] = {"open_export",
		"DECLARE export SCROLL CURSOR WITH HOLD FOR"
	" SELECT chat.export_json($1::text, $2::integer, $3::integer, $4::integer, $5::integer)"},
	[MEASURE_EXPORT] = {"measure_export", "FETCH LAST FROM export"},
	[REWIND_EXPORT] = {"rewind_export", "MOVE ABSOLUTE 0 FROM export"},
	[READ_EXPORT] = {"read_export", "FETCH NEXT FROM export"},
};

int
statement_parameters(const Statement *statement)
{
	int			count = 0;

	for (const char *at = statement->text; (at = strchr(at, '$')) != NULL; at++)
		if (atoi(at + 1) > count)
			count = atoi(at + 1);
	return count;
}
