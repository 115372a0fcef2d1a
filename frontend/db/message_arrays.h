/*
 * message_arrays.h
 *		Sends many messages in one call: each value of them as an array.
 */
#ifndef CHATD_MESSAGE_ARRAYS_H
#define CHATD_MESSAGE_ARRAYS_H

#include "db/query.h"

/*
 * Parameters of CREATE_MESSAGES and CREATE_ALL_MESSAGES, which are arrays of them. A query is
 * one message of the former, or all of the latter: its parts are the messages, and its own
 * values are their token and their chat, 0 if they are of several.
 */
enum
{
	MESSAGE_TOKEN,
	MESSAGE_CHAT,
	MESSAGE_BODY,
	MESSAGE_NUMBER,
	MESSAGE_SENDER,
	MESSAGE_METADATA,			/* the text of its JSON */
	MESSAGE_KEY,
	MESSAGE_IF_LAST,			/* may be 0 */
	MESSAGE_MOVE_CURSOR,		/* 1: the sender's cursor moves to the message */
	MESSAGE_VALUES
};

/*
 * Parameters of IMPORT_MESSAGES behind the token and the chat, and of IMPORT_APPLICATION behind
 * the token, which are arrays of them. The query has the first ones, and its parts these. Times
 * are as REST shows them.
 */
enum
{
	IMPORTED_NUMBER,
	IMPORTED_BODY,
	IMPORTED_CREATED_AT,
	IMPORTED_SENDER,
	IMPORTED_METADATA,
	IMPORTED_EDITED_AT,
	IMPORTED_DELETED_AT,
	IMPORTED_REVISION,
	IMPORTED_KEY,
	IMPORTED_CHAT,				/* of IMPORT_APPLICATION alone */
	IMPORTED_VALUES
};

/*
 * Sends CREATE_MESSAGES or CREATE_ALL_MESSAGES with these messages, whose values are as
 * above. Returns false if out of memory.
 */
extern bool messages_send(Session *session, StatementId statement, const QueryQueue *messages, Operation *operation);

/* Sends IMPORT_MESSAGES or IMPORT_APPLICATION, whose messages are the query's parts. Returns false if out of memory. */
extern bool imported_send(Session *session, Query *query);

#endif
