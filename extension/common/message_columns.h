/*
 * message_columns.h
 *	  The columns of a message, listed once: for all that inserts, reads, compares
 *	  or shows them.
 */
#ifndef PG_CHAT_MESSAGE_COLUMNS_H
#define PG_CHAT_MESSAGE_COLUMNS_H

#include "catalog/pg_type.h"

/*
 * The attributes of chat.message after the number, in their order, as
 * COLUMN(argument, NAME, name, TYPE). The first two are never null. The content
 * of a message is all of them but the revision, which says when the content
 * last changed.
 */
#define MESSAGE_CONTENT(COLUMN, argument) \
	COLUMN(argument, BODY, body, TEXT) \
	COLUMN(argument, CREATED_AT, created_at, TIMESTAMPTZ) \
	COLUMN(argument, SENDER, sender, TEXT) \
	COLUMN(argument, METADATA, metadata, JSONB) \
	COLUMN(argument, EDITED_AT, edited_at, TIMESTAMPTZ) \
	COLUMN(argument, DELETED_AT, deleted_at, TIMESTAMPTZ)
#define MESSAGE_ALL_BUT_NUMBER(COLUMN, argument) \
	MESSAGE_CONTENT(COLUMN, argument) \
	COLUMN(argument, REVISION, revision, INT4)

/* The places of all, in a row that has them. */
#define MESSAGE_PLACE(argument, NAME, name, TYPE) MESSAGE_##NAME,
typedef enum MessageColumn
{
	MESSAGE_NUMBER,
	MESSAGE_ALL_BUT_NUMBER(MESSAGE_PLACE,)
	MESSAGE_COLUMNS_COUNT
}			MessageColumn;

/* All, of a table that is named so; and their types. */
#define MESSAGE_NAME_OF(alias, NAME, name, TYPE) ", " alias "." #name
#define MESSAGE_TYPE_OF(argument, NAME, name, TYPE) , TYPE##OID
#define MESSAGE_COLUMNS(alias) alias ".number" MESSAGE_ALL_BUT_NUMBER(MESSAGE_NAME_OF, alias)
#define MESSAGE_CONTENT_COLUMNS(alias) alias ".number" MESSAGE_CONTENT(MESSAGE_NAME_OF, alias)
#define MESSAGE_COLUMN_TYPES INT4OID MESSAGE_ALL_BUT_NUMBER(MESSAGE_TYPE_OF,)

/*
 * The columns that are inserted for a new message, besides its key, number and
 * time: for INSERT statements, and for the types of their arrays.
 */
#define MESSAGE_GIVEN(COLUMN, argument) \
	COLUMN(argument, BODY, body, TEXT) \
	COLUMN(argument, SENDER, sender, TEXT) \
	COLUMN(argument, METADATA, metadata, JSONB) \
	COLUMN(argument, REVISION, revision, INT4) \
	COLUMN(argument, KEY, key, TEXT) \
	COLUMN(argument, KEY_DIGEST, key_digest, BYTEA)
#define MESSAGE_BARE_NAME(argument, NAME, name, TYPE) ", " #name
#define MESSAGE_ARRAY_TYPE(argument, NAME, name, TYPE) , TYPE##ARRAYOID
#define MESSAGE_INSERT "INSERT INTO chat.messages (application_id, chat_number, number" MESSAGE_GIVEN(MESSAGE_BARE_NAME,) ")"
#define MESSAGE_GIVEN_TYPES MESSAGE_GIVEN(MESSAGE_TYPE_OF,)
#define MESSAGE_GIVEN_ARRAY_TYPES MESSAGE_GIVEN(MESSAGE_ARRAY_TYPE,)

#endif							/* PG_CHAT_MESSAGE_COLUMNS_H */
