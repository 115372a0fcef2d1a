/*
 * statements.h
 *		The statements that chatd sends, prepared on every connection.
 */
#ifndef CHATD_STATEMENTS_H
#define CHATD_STATEMENTS_H

typedef enum StatementId
{
	CREATE_APPLICATION,
	GET_APPLICATION,
	LIST_APPLICATIONS,
	CREATE_CHAT,
	GET_CHAT,
	LIST_CHATS,
	CREATE_MESSAGES,
	GET_MESSAGE,
	LIST_MESSAGES,
	LAST_MESSAGES,
	SEARCH_MESSAGES,
	STATEMENT_COUNT
} StatementId;

typedef struct Statement
{
	const char *name;
	const char *text;
} Statement;

extern const Statement statements[STATEMENT_COUNT];

#endif
